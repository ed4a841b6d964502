"""The generated files: up to date, and as Grafana wants them."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from deploy.monitoring.promql import selectors
from deploy.monitoring.series import SCRAPED

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "monitoring.py"
FILES = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def panels_of(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(path.read_text("utf-8"))["panels"] if panel["type"] != "row"]


def test_every_generated_file_is_up_to_date() -> None:
    result = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


def test_there_are_six_dashboards() -> None:
    assert [path.stem.removeprefix("ossature-") for path in FILES] == [
        "engines", "jobs", "organizations", "overview", "prompt-cache", "realtime",
    ]  # fmt: skip


@every_file
def test_panels_lie_on_the_grid_without_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


@every_file
def test_every_panel_has_a_unit_a_description_and_the_chosen_data_source(path: Path) -> None:
    for panel in panels_of(path):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["description"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]


@every_file
def test_ids_of_panels_are_unique(path: Path) -> None:
    numbers = [panel["id"] for panel in json.loads(path.read_text("utf-8"))["panels"]]
    assert len(set(numbers)) == len(numbers)


@every_file
def test_every_query_keeps_to_the_variables(path: Path) -> None:
    """Each selector with a label that a variable chooses has that variable, or a matcher of its own."""
    board = json.loads(path.read_text("utf-8"))
    names = {variable["name"] for variable in board["templating"]["list"]}
    assert names >= {"datasource", "namespace"}
    labels = {"model": ("model", "model_name"), "org": ("org",)}
    for panel in panels_of(path):
        for target in panel["targets"]:
            for selector in selectors(target["expr"]):
                matched = {matcher.label for matcher in selector.matchers}
                series = SCRAPED[selector.metric]
                wanted = {label for name in names & labels.keys() for label in labels[name]} & series.labels
                assert matched >= wanted | ({"namespace"} if series.in_a_namespace else set()), target["expr"]


@every_file
def test_dashboards_link_to_each_other_and_keep_the_choice(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    (link,) = board["links"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == ("dashboards", ["ossature"], True, True)
    assert board["tags"] == ["ossature"]
    assert board["uid"] == path.stem


@every_file
def test_a_picture_names_every_panel(path: Path) -> None:
    picture = ElementTree.parse(ROOT / "docs" / "images" / "dashboards" / f"{path.stem}.svg")
    texts = [element.text or "" for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    for panel in panels_of(path):
        assert any(_shows(text, panel["title"]) for text in texts), panel["title"]


def _shows(text: str, title: str) -> bool:
    """Whether the text is the title, or as much of it as there was room for."""
    return text == title or (text.endswith("…") and len(text) > 8 and title.startswith(text[:-1]))
