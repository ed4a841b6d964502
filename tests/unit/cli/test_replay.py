from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.cli.app import app

LINES = [
    {"timestamp": 500 * n, "input_length": 2048, "output_length": 20, "hash_ids": [0, 1 + n % 3, 10 + n % 3, 100 + n]}
    for n in range(40)
]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LINES))
    return path


def test_a_trace_is_replayed_with_all_policies_into_a_table_a_document_and_a_plot(trace: Path, tmp_path: Path) -> None:
    figures, plot = tmp_path / "figures.json", tmp_path / "plot.svg"
    result = CliRunner().invoke(
        app, ["replay", "--trace", str(trace), "--all-policies", "--replicas", "2", "--json", str(figures), "--plot", str(plot)]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(figures.read_bytes())
    names = [policy["policy"] for policy in document["policies"]]
    assert {"affinity", "random", "round_robin", "power_of_two", "least_load", "bounded_hashing"} <= set(names)
    assert all(name in result.stdout for name in names)
    assert document["requests"] == 40
    ours = document["policies"][names.index("affinity")]
    assert ours["hit_tokens"] > document["policies"][names.index("random")]["hit_tokens"]
    assert plot.read_text().startswith("<svg")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--workload", "nothing"],
        ["--workload", "chats", "--policy", "nothing"],
        ["--workload", "chats", "--engine", "nothing"],
        ["--workload", "chats", "--die", "soon"],
        ["--workload", "chats", "--drain", "10:9"],
        ["--trace", "missing.jsonl"],
    ],
)
def test_what_cannot_be_replayed_is_refused_with_a_next_step(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["replay", *arguments])
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert len(result.stderr.splitlines()) >= 2
