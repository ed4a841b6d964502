"""Evals of tuned models: as the model asked, and as the one that grades; another organization's are unknown."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest

from cluster.config.settings.models import ModelSettings
from cluster.tuned.names import TunedName
from cluster.tuned.service import NewTunedModel
from tests.unit.eval_runs.bench import CUSTOM, EXACT, Bench, row
from tests.unit.eval_runs.fake_models import FakeModels, judged
from tests.unit.storage.served import ACME, GLOBEX, Served
from tests.unit.tuned.adapters import write_adapter


@pytest.fixture
async def bench(migrated: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    path = shutil.copy(migrated, tmp_path / "copy.db")
    base = ModelSettings(id="demo", source="x", adapters={"enabled": True})
    served = Served(tmp_path, relay=FakeModels(), models=[base], database_url=f"sqlite+aiosqlite:///{path}")
    async with served.running(), served.client() as client:
        yield Bench(served, client)


@pytest.fixture
async def tuned(bench: Bench, tmp_path: Path) -> str:
    assert bench.served.storage.tuned is not None
    name = TunedName.new("demo", ACME.org_id, "mine")
    new = NewTunedModel(name, write_adapter(tmp_path / "adapter"))
    return (await bench.served.storage.tuned.register(ACME, new)).name


async def test_a_tuned_model_is_asked_and_grades(bench: Bench, tuned: str) -> None:
    bench.models.answer = lambda body: '{"verdict": 0.9}' if judged(body) else "a"
    judge = {
        "type": "score_model",
        "name": "score",
        "model": tuned,
        "input": [{"role": "user", "content": "{{sample.output_text}}"}],
    }
    eval_id = await bench.eval([EXACT, judge])
    run_id = await bench.start(eval_id, [row("a")], model=tuned)
    await bench.work()
    run = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (run.status, run.result_counts.passed) == ("completed", 1)
    assert len(bench.models.asked) == 2


async def test_another_organizations_tuned_model_is_unknown(bench: Bench, tuned: str) -> None:
    foreign = str(TunedName.new("demo", GLOBEX.org_id, "mine"))
    eval_id = await bench.eval()
    async with bench.served.client("sk-globex") as other:
        theirs = await other.evals.create(data_source_config=CUSTOM, testing_criteria=[EXACT])  # type: ignore[list-item,arg-type]
        with pytest.raises(openai.BadRequestError) as refused:
            await Bench(bench.served, other).start(theirs.id, [row("a")], model=tuned)
        assert (refused.value.param, refused.value.code) == ("data_source.model", "model_not_found")
    with pytest.raises(openai.BadRequestError) as unknown:
        await bench.start(eval_id, [row("a")], model=foreign)
    assert unknown.value.code == "model_not_found"
