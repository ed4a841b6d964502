"""Model files and the database: good, bad, can't tell. And all checks together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from cluster.errors import StoreUnavailable
from cluster.runtime.doctor.database import DatabaseState
from cluster.runtime.doctor.examination import counts, examined, worst_first
from cluster.runtime.doctor.finding import Finding, Outcome, Reporter
from cluster.runtime.doctor.model_files import ModelFiles
from cluster.runtime.preparation import database_url
from cluster.store.revision import SchemaState, newest_revision, schema_state
from cluster.store.schema import upgrade
from tests.unit.runtime.doctor.conftest import Configured, said


def safetensors(path: Path, size: int = 16) -> None:
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, size]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    safetensors(folder / "model.safetensors")
    return folder


def verdict(configured: Configured, cache: Path, **env: str) -> Finding:
    return said(ModelFiles(configured(), cache, env))["m"]


def test_a_whole_model_is_fine(configured: Configured, model: Path, tmp_path: Path) -> None:
    assert verdict(configured, tmp_path).outcome is Outcome.OK


def test_weights_that_are_cut_off_are_a_problem(configured: Configured, model: Path, tmp_path: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    found = verdict(configured, tmp_path)
    assert found.outcome is Outcome.PROBLEM
    assert "model.safetensors has" in found.message
    weights.write_bytes(weights.read_bytes()[:12])
    assert "damaged in its header" in verdict(configured, tmp_path).message


def test_a_part_that_the_index_names_and_nobody_has_is_a_problem(configured: Configured, model: Path, tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-2.safetensors is missing" in verdict(configured, tmp_path).message


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_each_missing_file_is_a_problem(configured: Configured, model: Path, tmp_path: Path, name: str) -> None:
    (model / name).unlink()
    assert verdict(configured, tmp_path).outcome is Outcome.PROBLEM


def test_a_missing_folder_is_a_problem(configured: Configured, tmp_path: Path) -> None:
    assert "does not exist" in verdict(configured, tmp_path).message


def of_hub(configured: Configured, cache: Path, **env: str) -> Finding:
    config = configured(models=[{"id": "m", "source": "org/model"}])
    return said(ModelFiles(config, cache, env))["m"]


def test_a_model_that_would_be_downloaded_is_no_verdict_and_offline_it_is_a_problem(configured: Configured, tmp_path: Path) -> None:
    assert of_hub(configured, tmp_path).outcome is Outcome.UNKNOWN
    assert of_hub(configured, tmp_path, HF_HUB_OFFLINE="1").outcome is Outcome.PROBLEM


def test_a_model_in_the_cache_is_looked_at_there(configured: Configured, model: Path, tmp_path: Path) -> None:
    repository = tmp_path / "hub/models--org--model"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc")
    model.rename(repository / "snapshots/abc")
    assert of_hub(configured, tmp_path).outcome is Outcome.OK


def database(configured: Configured, state: SchemaState | Exception, now: float = 1000.0) -> dict[str, Finding]:
    async def look(url: str, timeout_s: float) -> SchemaState:
        if isinstance(state, Exception):
            raise state
        return state

    config = configured(database={"url": "postgresql+asyncpg://user:hunter2@db/ossature"})
    return said(DatabaseState(config, look, lambda: now))


def state(current: str | None = "0002", *, known: bool = True, clock: float | None = 1000.0) -> SchemaState:
    return SchemaState(current, "0002", known, clock)


def test_a_database_of_this_version_whose_clock_agrees_is_fine(configured: Configured) -> None:
    found = database(configured, state())
    assert {finding.outcome for finding in found.values()} == {Outcome.OK}
    assert "hunter2" not in found["connection"].message


@pytest.mark.parametrize(
    ("current", "known", "outcome"),
    [(None, True, Outcome.OK), ("0001", True, Outcome.WARNING), ("9999", False, Outcome.PROBLEM)],
)
def test_schema_empty_behind_and_of_a_newer_version(
    configured: Configured, current: str | None, known: bool, outcome: Outcome
) -> None:
    found = database(configured, state(current, known=known))["schema"]
    assert found.outcome is outcome
    assert (found.next_step is None) == (outcome is Outcome.OK)


@pytest.mark.parametrize(
    ("clock", "outcome"),
    [(1000.4, Outcome.OK), (1005.0, Outcome.WARNING), (940.0, Outcome.PROBLEM), (None, Outcome.OK)],
)
def test_clock_against_the_databases(configured: Configured, clock: float | None, outcome: Outcome) -> None:
    assert database(configured, state(clock=clock))["clock"].outcome is outcome


def test_a_database_that_cannot_be_reached_is_a_problem_and_its_clock_no_verdict(configured: Configured) -> None:
    found = database(configured, StoreUnavailable("no"))
    assert found["connection"].outcome is Outcome.PROBLEM
    assert found["clock"].outcome is Outcome.UNKNOWN
    assert "schema" not in found


def test_the_embedded_database_is_looked_at_and_not_made(configured: Configured) -> None:
    config = configured()
    url = database_url(config)
    assert asyncio.run(schema_state(url, 5.0)).current is None
    assert not config.data_dir.exists()
    config.data_dir.mkdir()
    asyncio.run(upgrade(url))
    assert asyncio.run(schema_state(url, 5.0)) == SchemaState(newest_revision(), newest_revision(), True, None)


class Broken(Reporter):
    name: ClassVar[str] = "broken"

    async def findings(self) -> Sequence[Finding]:
        raise KeyError("unexpected")


class Endless(Reporter):
    name: ClassVar[str] = "endless"

    async def findings(self) -> Sequence[Finding]:
        await asyncio.sleep(60)
        return []


class Worried(Reporter):
    name: ClassVar[str] = "worried"

    async def findings(self) -> Sequence[Finding]:
        return [self.ok("a", "fine"), self.problem("b", "bad", "act")]


def test_a_check_that_breaks_or_hangs_is_a_finding_and_ends_no_other() -> None:
    findings = asyncio.run(examined([Broken(), Endless(), Worried()], timeout_s=0.05))
    assert [(finding.check, finding.outcome.value) for finding in worst_first(findings)] == [
        ("worried", "problem"),
        ("broken", "unknown"),
        ("endless", "unknown"),
        ("worried", "ok"),
    ]
    assert counts(findings) == {"ok": 1, "warning": 0, "problem": 1, "unknown": 2}
