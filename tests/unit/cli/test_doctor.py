"""``ossature doctor``: shape of the answer and exit code, with no cluster and against a file."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run


@pytest.fixture
def config(folder: Path) -> Path:
    path = folder / "cluster.yaml"
    path.write_text(
        "evals: {python_graders: false}\nspeech: {enabled: false}\nmodels:\n  - {id: m, source: ./absent}\n", encoding="utf-8"
    )
    return path


def test_a_problem_ends_with_one_and_names_the_next_step(run: Run, config: Path) -> None:
    result = run("doctor", "--config", str(config))
    assert result.exit_code == 1
    assert "FAIL" in result.stdout
    assert "the folder ./absent does not exist" in result.stdout
    assert "→" in result.stdout
    assert not (config.parent / ".run").exists(), "a look makes nothing"


def test_json_lists_every_finding_and_quiet_leaves_out_what_is_well(run: Run, config: Path) -> None:
    all_of_it = json.loads(run("doctor", "--config", str(config), "--json").stdout)
    assert all_of_it["healthy"] is False
    assert {"versions", "ports", "gpus", "memory", "open files", "disk", "models", "database", "secrets", "sandbox", "speech"} <= {
        finding["check"] for finding in all_of_it["findings"]
    }
    assert all(finding["next_step"] for finding in all_of_it["findings"] if finding["outcome"] in ("warning", "problem"))
    quiet = json.loads(run("doctor", "--config", str(config), "--json", "--quiet").stdout)
    assert "ok" not in {finding["outcome"] for finding in quiet["findings"]}
    assert quiet["counts"] == all_of_it["counts"]


def test_a_port_of_the_file_is_the_one_that_is_tried(run: Run, config: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        result = run("doctor", "-c", str(config), "--json", env={"OSSATURE_HTTP__PORT": str(port)})
    ports = {finding["subject"]: finding for finding in json.loads(result.stdout)["findings"] if finding["check"] == "ports"}
    assert ports["http.port"]["outcome"] == "problem"
    assert str(port) in ports["http.port"]["message"]


def test_a_refused_configuration_ends_with_two(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_text("modelz: []\n")
    assert run("doctor", "--config", "bad.yaml").exit_code == 2
