"""What is refused before anything is sent names its option; plans and states come back as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.distilling.examples import read_examples
from cluster.distilling.plan import DistillationFailed, Items, Plan, Price, Refused, Source, parse_price, parse_source
from cluster.distilling.state import State, locked, unfinished


def plan(**fields: Any) -> Plan:
    given = {"source": Source(metadata={"a": "b"}), "eval_id": "eval_1", "suffix": "s", "also": ("eval_2",)}
    return Plan(**{"address": "http://c", "teacher": "big", "student": "small", **given, **fields})


@pytest.mark.parametrize(
    ("make", "param", "said"),
    [
        (lambda: plan(student="big"), "--student", "it is the teacher"),
        (lambda: plan(teacher=""), "--teacher", "empty"),
        (lambda: plan(suffix="a b"), "--suffix", "letters"),
        (lambda: plan(suffix="x" * 65), "--suffix", "1 to 64"),
        (lambda: plan(also=("eval_1",)), "--also", "the eval of --eval"),
        (lambda: plan(also=("eval_2", "eval_2")), "--also", "twice"),
        (lambda: plan(temperature=2.1), "--temperature", "between"),
        (lambda: parse_source("nowhere.jsonl", "big"), "--from", "there is no file"),
        (lambda: parse_source("model=small", "big"), "--from", "is not the teacher"),
        (lambda: parse_source("metadata.a=1,metadata.a=2", "big"), "--from", "twice"),
        (lambda: parse_source("metadata.=1", "big"), "--from", "unknown"),
        (lambda: parse_source("metadata.a=", "big"), "--from", "KEY=VALUE"),
        (lambda: parse_source("created=1", "big"), "--from", "'created' is unknown"),
        (lambda: parse_price("1", "--price-teacher"), "--price-teacher", "IN/OUT"),
        (lambda: parse_price("1/-1", "--price-student"), "--price-student", "IN/OUT"),
        (lambda: parse_price("nan/1", "--price-student"), "--price-student", "IN/OUT"),
    ],
)
def test_what_is_refused_names_its_option(make: Callable[[], object], param: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        make()
    assert refused.value.param == param
    assert said in refused.value.reason


def test_filters_files_and_ids_are_told_apart(tmp_path: Path) -> None:
    here = tmp_path / "a=b.jsonl"
    here.write_text("{}")
    assert parse_source("model=big, metadata.task=a=b", "big") == Source(metadata={"task": "a=b"})
    assert parse_source("file-0123", "big") == Source(file_id="file-0123")
    found = parse_source(str(here), "big")
    assert (found.path, found.stored) == (str(here), False)
    assert parse_price("0.5/1.5", "x") == Price(0.5, 1.5)


def test_a_changed_file_is_another_plan(tmp_path: Path) -> None:
    here = tmp_path / "a.jsonl"
    here.write_text("{}")
    before = plan(source=parse_source(str(here), "big")).fingerprint
    assert plan(source=parse_source(str(here), "big")).fingerprint == before
    here.write_text("{} ")
    assert plan(source=parse_source(str(here), "big")).fingerprint != before


def test_a_state_comes_back_as_it_was_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    items = Items(Source(file_id="file-1"), {"type": "item_reference", "item_reference": "item.x"})
    begun = State.begin(path, plan(items=items, hyperparameters={"n_epochs": 2}))
    begun.record(store={"file_id": "file-2"})
    loaded = State.load(path)
    assert loaded is not None
    assert (loaded.plan, loaded.id, loaded.outputs) == (begun.plan, begun.id, begun.outputs)
    assert loaded.plan.fingerprint == begun.plan.fingerprint
    assert path.stat().st_mode & 0o077 == 0
    assert unfinished(tmp_path) == [path]
    begun.record(publish={})
    assert unfinished(tmp_path) == []
    assert State.load(tmp_path / "no.json") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"version": 2}), json.dumps({"version": 1, "plan": {}})])
def test_other_files_are_no_states(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DistillationFailed, match=r"x\.json"):
        State.load(path)


def test_two_processes_do_not_work_on_one_state(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"
    with locked(path), pytest.raises(DistillationFailed, match="another process"), locked(path):
        pass
    with locked(path):
        pass


def test_bad_lines_are_named_together() -> None:
    good = b'{"messages": [{"role": "user", "content": "x"}]}'
    lines = [good, b"{", b"", b"[]", b'{"messages": []}', b'{"messages": [1]}', b'{"input": {}, "preferred_output": []}', good]
    found: list[object] = []
    with pytest.raises(Refused) as refused:
        found.extend(read_examples(lines, "--from"))
    assert len(found) == 2
    assert [line.split(":")[0].strip() for line in refused.value.reason.splitlines()[1:]] == [f"line {n}" for n in (2, 4, 5, 6, 7)]
    with pytest.raises(Refused) as many:
        list(read_examples([b"{"] * 1000, "--from"))
    assert len(many.value.reason.splitlines()) == 21
