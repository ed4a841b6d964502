"""Typos in values are refused, with the name of the field."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart import CHART, MODEL, ROOT, refusal, render

#: Objects of Kubernetes' own or of the user's: any name may stand in them.
OPEN = {"nodeSelector", "annotations", "grpcAnnotations", "labels", "commonLabels", "requests", "limits", "affinity"}


def test_the_committed_schema_is_up_to_date() -> None:
    outcome = subprocess.run([sys.executable, str(ROOT / "scripts/helm_schema.py"), "--check"], check=False)
    assert outcome.returncode == 0, "run `python scripts/helm_schema.py`"


def sections(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(values, dict) and not OPEN.intersection(path):
        yield path
        for name, value in values.items():
            yield from sections(value, (*path, name))


SECTIONS = [path for path in sections(yaml.safe_load((CHART / "values.yaml").read_text())) if path]


def test_a_typo_is_refused_in_every_section_of_the_values() -> None:
    import jsonschema

    validator = jsonschema.Draft7Validator(json.loads((CHART / "values.schema.json").read_text()))
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert list(validator.iter_errors(values)) == []
    assert len(SECTIONS) > 30
    for path in [(), *SECTIONS]:
        if OPEN.intersection(path):
            continue
        broken = copy.deepcopy(values)
        holder = broken
        for name in path:
            holder = holder[name]
        holder["typo"] = 1
        assert any("typo" in error.message for error in validator.iter_errors(broken)), path


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ingresPods": {"count": 3}}, "ingresPods"),
        ({"modelCache__knd": "pvc"}, "knd"),
        ({"config__routing": {"load_facter": 2}}, "load_facter"),
        ({"models": [MODEL | {"max_ongoing": 3}]}, "max_ongoing"),
        ({"models": [MODEL | {"pods": {"toleration": []}}]}, "toleration"),
    ],
)
def test_helm_names_the_field_that_it_refuses(settings: dict[str, object], named: str) -> None:
    assert f"Additional property {named} is not allowed" in refusal(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"config__http": {"host": "127.0.0.1"}},
        {"config__ray": {"address": "elsewhere:6379"}},
        {"config__gateway": {"replicas": 4}},
        {"config__speech": {"replicas": 4}},
        {"config__data_dir": "/data"},
        {"config__models": [{"id": "a", "source": "b"}]},
    ],
)
def test_what_the_chart_decides_is_refused_as_a_setting(settings: dict[str, object]) -> None:
    assert "is not allowed" in refusal(**settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"mode": "swarm"}, "mode"),
        ({"rayservice__upgradeStrategy__type": "NewClusterWithIncrementalUpgrade"}, "rayservice.upgradeStrategy.type"),
        ({"ingressPods__count": 0}, "ingressPods.count"),
        ({"rayservice__clusterDeletionDelaySeconds": 0}, "rayservice.clusterDeletionDelaySeconds"),
        ({"image__digest": "latest"}, "image.digest"),
        ({"config__routing": {"load_factor": 9}}, "config.routing.load_factor"),
    ],
)
def test_values_out_of_range_are_refused(settings: dict[str, object], named: str) -> None:
    mode = str(settings.pop("mode", "rayservice"))
    assert f"- {named}: " in refusal(mode=mode, **settings)


def test_an_image_is_named_by_its_digest_where_there_is_one() -> None:
    digest = "sha256:" + "0" * 64
    rendered = render(image={"repository": "registry.test/ossature", "digest": digest, "tag": "1"})
    assert rendered.container("head")["image"] == f"registry.test/ossature@{digest}"
