"""The parity probe with both real sides: an adapter that TRL has trained, and vLLM that serves it, or another in its name."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cluster.inference.requests.completion import CompletionRequest
from cluster.tuned.adapter_files import WEIGHTS_FILE
from cluster.tuned.names import TunedName
from cluster.tuning.parity_probe import ParityProbe
from cluster.tuning.registry_publisher import RegistryPublisher
from cluster.tuning.trainer import Publication, TrainingFailed
from cluster.tuning.training.job import missing_packages, train_job
from tests.integration.engine.tuned_cluster import ALICE, BASE, CALL, Cluster, running
from tests.unit.tuning import tiny

pytestmark = [
    pytest.mark.engine,
    pytest.mark.tuning,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(bool(missing_packages()), reason="the extra `tuning` is not installed"),
]


@dataclass(frozen=True)
class Made:
    """A base model, an adapter that was trained on it, and what the training says of both."""

    base: Path
    adapter: Path
    scores: Path


@dataclass
class Log:
    """Events of a job."""

    messages: list[str] = field(default_factory=list)
    data: list[Mapping[str, Any]] = field(default_factory=list)

    async def __call__(self, message: str, *, data: Mapping[str, Any] | None = None, key: str | None = None) -> None:
        self.messages.append(message)
        if data is not None:
            self.data.append(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("trained")
    base = tiny.write_model(folder / "base")
    rows = tiny.write_rows(folder / "rows.jsonl", tiny.task_rows(40))
    held_out = tiny.write_rows(folder / "held_out.jsonl", tiny.task_rows(6, seed=4))
    spec = tiny.spec(base, rows, folder / "run", validation_file=held_out, parity_rows=6)
    last = train_job(spec)
    assert last is not None
    assert last.kind == "finished", last
    return Made(base, Path(last.fields["adapter"]), Path(last.fields["parity"]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(made: Made, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with running(made.base, tmp_path_factory.mktemp("tuned"), max_rank=16) as found:
        yield found


async def publish(cluster: Cluster, adapter: Path, scores: Path) -> tuple[TunedName, Log]:
    name, log = TunedName.new(BASE, ALICE.org_id, "probed"), Log()
    publisher = RegistryPublisher(cluster.tuned, ParityProbe(cluster.inference, wait_s=30.0))
    await publisher.publish(Publication(ALICE, "ftjob-1", str(name), adapter, scores=scores), log)
    return name, log


def scaled(made: Made, folder: Path, factor: float) -> Path:
    """The adapter, with this much of its effect."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(made.adapter, folder)
    weights = load_file(folder / WEIGHTS_FILE)
    save_file({name: value * (factor if "lora_B" in name else 1) for name, value in weights.items()}, folder / WEIGHTS_FILE)
    return folder


async def test_what_was_trained_is_what_is_served(cluster: Cluster, made: Made) -> None:
    name, log = await publish(cluster, made.adapter, made.scores)
    [figures] = [data["parity"] for data in log.data]
    assert figures["reason"] == "same_as_tuned"
    assert figures["effect"] > 0.5
    assert figures["off"] < 0.01
    assert figures["from_base"] == pytest.approx(figures["effect"], abs=0.02)
    assert await cluster.tuned.find(ALICE, str(name)) is not None
    request = CompletionRequest.parse({"model": str(name), "prompt": "hello", "max_tokens": 1})
    await cluster.inference.complete(ALICE, request, CALL)


@pytest.mark.parametrize(("factor", "reason"), [(0.0, "equal_to_base"), (0.35, "apart_from_tuned"), (-1.0, "")])
async def test_what_is_served_otherwise_is_refused(
    cluster: Cluster, made: Made, tmp_path: Path, factor: float, reason: str
) -> None:
    before = await cluster.tuned.list(ALICE)
    with pytest.raises(TrainingFailed, match="The tuned model was not published") as refused:
        await publish(cluster, scaled(made, tmp_path / "adapter", factor), made.scores)
    assert refused.value.code.startswith(f"parity_{reason}")
    assert await cluster.tuned.list(ALICE) == before
