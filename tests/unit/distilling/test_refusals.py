"""What can't be distilled ends the command before anything is made in the cluster, and says which option is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.cli.output import ExitCode
from tests.unit.distilling.conftest import STUDENT, TEACHER, Cluster

GIVEN = {"--teacher": TEACHER, "--student": STUDENT, "--suffix": "echo", "--from": f"model={TEACHER}", "--eval": "eval_" + "0" * 32}


def arguments(**changed: str) -> list[str]:
    options = GIVEN | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    return [part for pair in options.items() for part in pair]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"teacher": "nobody", "from": "metadata.a=b"}, "--teacher: there is no model 'nobody'"),
        ({"student": "nobody"}, "--student: there is no model 'nobody'"),
        ({"from": "file-0123"}, "--from: there is no file 'file-0123'"),
        ({"from": "metadata.x"}, "--from: there is no file 'metadata.x'"),
        ({}, "--eval: there is no eval"),
        ({"items": "file-0123", "prompt": "{{item.question}}"}, "--eval: there is no eval"),
        ({"also": "eval_1"}, "--also: there is no eval 'eval_1'"),
        ({"prompt": "x"}, "--items: it is missing"),
        ({"items": "file-0123"}, "--items: it needs one of"),
        ({"items": "nowhere", "prompt": "x"}, "--items: nowhere can't be read"),
        ({"price_teacher": "cheap"}, "--price-teacher: 'cheap' is not IN/OUT"),
        ({"report": "/proc/nowhere", "temperature": "3"}, "--temperature: it is between"),
    ],
)
async def test_options_are_named(cluster: Cluster, changed: dict[str, str], said: str) -> None:
    refused = await cluster.distil(*arguments(**changed), code=ExitCode.USAGE)
    assert said in refused.stderr
    assert await cluster.files("evals") == []
    assert cluster.models.asked == []


async def test_other_ways_to_be_wrong(cluster: Cluster, tmp_path: Path) -> None:
    missing = await cluster.distil("--teacher", TEACHER, code=ExitCode.USAGE)
    assert "missing: --student, --from, --eval, --suffix" in missing.stderr
    both = await cluster.distil("--resume", "--teacher", TEACHER, code=ExitCode.USAGE)
    assert "leave out --teacher" in both.stderr
    nothing = await cluster.distil("--resume", "--json", code=ExitCode.USAGE)
    assert "nothing to go on with" in json.loads(nothing.stderr)["error"]["message"]
    state = tmp_path / "state.json"
    await cluster.distil(*arguments(), "--state", str(state), code=ExitCode.USAGE)
    other = await cluster.distil(*arguments(suffix="other"), "--state", str(state), code=ExitCode.USAGE)
    assert "with other options" in other.stderr
    content = json.loads(state.read_text())
    content["plan"]["address"] = "http://elsewhere"
    state.write_text(json.dumps(content))
    elsewhere = await cluster.distil("--resume", "--state", str(state), code=ExitCode.USAGE)
    assert "is on http://elsewhere" in elsewhere.stderr


async def test_nothing_to_learn_is_said_and_nothing_is_measured(cluster: Cluster, tmp_path: Path) -> None:
    made = await cluster.client.evals.create(
        name="logs",
        data_source_config={"type": "logs"},
        testing_criteria=[{"type": "string_check", "name": "x", "input": "a", "reference": "a", "operation": "eq"}],
    )
    for _ in range(2):  # the second finds the file that the first has exported
        empty = await cluster.distil(*arguments(eval=made.id), code=ExitCode.FAILED)
        assert "--from gives no example to learn from. (no_examples)" in empty.stderr
    assert await cluster.runs(made.id) == []
    cluster.models.finish_reason = "length"
    source = tmp_path / "questions.jsonl"
    source.write_text(json.dumps({"messages": [{"role": "user", "content": "x"}]}))
    cut = await cluster.distil(*arguments(**{"eval": made.id, "from": str(source)}), code=ExitCode.FAILED)
    assert "no example to learn from: 1 cut off" in cut.stderr
    source.write_text('{"messages": [{"content": "x"}]}\n{')
    bad = await cluster.distil(*arguments(**{"eval": made.id, "from": str(source)}), code=ExitCode.USAGE)
    assert "line 1: 'messages.0' is no message with a role." in bad.stderr
    assert "line 2: it is not JSON." in bad.stderr


async def test_an_eval_without_items_asks_for_them(cluster: Cluster) -> None:
    made = await cluster.client.evals.create(
        name="bare",
        data_source_config={"type": "custom", "item_schema": {"type": "object"}},
        testing_criteria=[{"type": "string_check", "name": "x", "input": "a", "reference": "a", "operation": "eq"}],
    )
    refused = await cluster.distil(*arguments(eval=made.id), code=ExitCode.USAGE)
    assert "has no completed run of a model to take its items from. Give --items with --prompt" in refused.stderr
