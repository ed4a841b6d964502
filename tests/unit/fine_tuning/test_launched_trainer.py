"""Following a run by what it writes: to its end, over deaths, and when it is to stop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.config.settings.tuning import TuningSettings
from cluster.tuning.hyperparameters import Hyperparameters
from cluster.tuning.launched_trainer import LaunchedTrainer, TrainingInterrupted
from cluster.tuning.rows.parse import Method
from cluster.tuning.trainer import (
    BaseModel,
    RowCounts,
    StepMetrics,
    TrainedCheckpoint,
    TrainingFailed,
    TrainingResult,
    TrainingSpec,
    TrainingStopped,
)
from cluster.tuning.training import stopping
from cluster.tuning.training.errors import RunIsActive, UnsupportedModel
from cluster.tuning.training.events import EventLog
from cluster.tuning.training.spec import TrainSpec
from tests.unit.fine_tuning.conftest import QWEN3

Script = Callable[[EventLog, "FakeRun"], None]


@dataclass
class FakeRun:
    """A run in a thread: it trains nothing, and writes what a script says."""

    output_dir: Path
    spec: TrainSpec
    thread: threading.Thread | None = None
    killed: bool = False
    release: threading.Event = field(default_factory=threading.Event)

    def is_running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def kill(self) -> None:
        self.killed = True
        self.release.set()


@dataclass
class FakeLauncher:
    """Each start runs the next script; the last one again and again."""

    scripts: list[Script | Exception]
    runs: list[FakeRun] = field(default_factory=list)

    def start(self, spec: TrainSpec) -> FakeRun:
        script = self.scripts[0] if len(self.scripts) == 1 else self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        run = FakeRun(spec.output_dir, spec)
        log = EventLog(spec.output_dir)

        def work() -> None:
            with log:
                script(log, run)

        run.thread = threading.Thread(target=work, daemon=True)
        run.thread.start()
        self.runs.append(run)
        return run


@dataclass
class Told:
    metrics: list[StepMetrics] = field(default_factory=list)
    checkpoints: list[TrainedCheckpoint] = field(default_factory=list)

    async def on_metrics(self, metrics: StepMetrics) -> None:
        self.metrics.append(metrics)

    async def on_checkpoint(self, checkpoint: TrainedCheckpoint) -> None:
        self.checkpoints.append(checkpoint)


def steps(log: EventLog, first: int, last: int) -> None:
    for step in range(first, last + 1):
        log.write("step", step=step, epoch=step / 2, train_loss=1 / step, train_mean_token_accuracy=0.5, tokens=10)
        if step % 2 == 0:
            log.write("validation", step=step, epoch=step / 2, valid_loss=2 / step, valid_mean_token_accuracy=0.25)
            log.write("checkpoint", step=step, epoch=step / 2, path=f"/checkpoints/{step}", epoch_end=True)
        else:
            log.write("checkpoint", step=step, epoch=step / 2, path="/nowhere", epoch_end=False)


def whole(log: EventLog, run: FakeRun) -> None:
    log.write("started", total_steps=4)
    steps(log, 1, 4)
    log.write("finished", step=4, adapter="/adapter", parity="/scores", seconds=1.0)


def half(log: EventLog, run: FakeRun) -> None:
    log.write("started", total_steps=4)
    steps(log, 1, 2)


def other_half(log: EventLog, run: FakeRun) -> None:
    log.write("started", total_steps=4)
    steps(log, 3, 4)
    log.write("finished", step=4, adapter="/adapter", seconds=1.0)


def until_stopped(log: EventLog, run: FakeRun) -> None:
    half(log, run)
    while not run.release.wait(0.01):
        if stopping.requested(run.output_dir) is not None:
            log.write("stopped", step=2, reason="pause")
            return


def stubborn(log: EventLog, run: FakeRun) -> None:
    half(log, run)
    run.release.wait()


@pytest.fixture
def spec(tmp_path: Path) -> TrainingSpec:
    weights = tmp_path / "base"
    weights.mkdir()
    (weights / "config.json").write_text(json.dumps(QWEN3))
    return TrainingSpec(
        job_id="ftjob-1",
        method=Method.SUPERVISED,
        base=BaseModel("base", str(weights), max_rank=8),
        training_rows=tmp_path / "training.jsonl",
        validation_rows=None,
        output_dir=tmp_path / "output",
        hyperparameters=Hyperparameters(n_epochs=2),
        seed=5,
        template_variables={"date": "2026-11-22"},
    )


def trainer(*scripts: Script | Exception) -> tuple[LaunchedTrainer, FakeLauncher]:
    launcher = FakeLauncher(list(scripts))
    return LaunchedTrainer(launcher, TuningSettings(device="cpu", cpu_threads=3), poll_s=0.01), launcher


async def trained(trainer: LaunchedTrainer, spec: TrainingSpec, told: Told, stop: asyncio.Event | None = None) -> TrainingResult:
    return await trainer.train(spec, told.on_metrics, told.on_checkpoint, stop or asyncio.Event())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a thread has nothing else to wait for
            await asyncio.sleep(0.005)


async def test_a_run_from_its_start_to_its_end(spec: TrainingSpec) -> None:
    following, launcher = trainer(whole)
    told = Told()
    assert await trained(following, spec, told) == TrainingResult(Path("/adapter"), 4, 40, Path("/scores"))
    assert [(each.step, each.valid_loss) for each in told.metrics] == [
        (1, None),
        (2, None),
        (2, 1.0),
        (3, None),
        (4, None),
        (4, 0.5),
    ]
    assert all(each.total_steps == 4 for each in told.metrics)
    assert [(each.step, each.metrics.full_valid_loss) for each in told.checkpoints] == [(2, 1.0), (4, 0.5)]
    [run] = launcher.runs
    given = run.spec
    assert (given.seed, given.lora_rank, given.cpu_threads, given.hyperparameters.n_epochs) == (5, 8, 3, 2)
    assert given.template_variables == {"date": "2026-11-22"}
    assert (given.parity_rows, given.parity_row_tokens) == (16, 512)


async def test_a_run_that_has_finished_is_not_started_again(spec: TrainingSpec) -> None:
    following, launcher = trainer(whole)
    await trained(following, spec, Told())
    told = Told()
    assert await trained(following, spec, told) == TrainingResult(Path("/adapter"), 4, 40, Path("/scores"))
    assert len(launcher.runs) == 1
    assert len(told.checkpoints) == 2, "a job that is run again is told of all there is"


async def test_a_run_that_dies_without_a_word_is_started_again(spec: TrainingSpec) -> None:
    following, launcher = trainer(half, other_half)
    told = Told()
    assert (await trained(following, spec, told)).trained_tokens == 40
    assert len(launcher.runs) == 2
    assert [each.step for each in told.checkpoints] == [2, 4]


async def test_a_run_that_always_dies_is_given_up_for_now(spec: TrainingSpec) -> None:
    following, launcher = trainer(half)
    with pytest.raises(TrainingInterrupted, match="died 3 times"):
        await trained(following, spec, Told())
    assert len(launcher.runs) == 3


async def test_a_stop_is_asked_for_and_waited_for(spec: TrainingSpec) -> None:
    following, launcher = trainer(until_stopped, other_half)
    told, stop = Told(), asyncio.Event()
    training = asyncio.create_task(trained(following, spec, told, stop))
    await until(lambda: told.checkpoints)
    stop.set()
    with pytest.raises(TrainingStopped):
        await training
    assert not launcher.runs[0].is_running()
    assert not launcher.runs[0].killed
    # Resumed: the request to stop is withdrawn, and what was said of the stop before does not count.
    assert (await trained(following, spec, told)).step == 4


async def test_a_follower_that_goes_away_leaves_the_run(spec: TrainingSpec) -> None:
    following, launcher = trainer(until_stopped)
    told = Told()
    training = asyncio.create_task(trained(following, spec, told))
    await until(lambda: told.checkpoints)
    training.cancel()
    with pytest.raises(asyncio.CancelledError):
        await training
    [run] = launcher.runs
    assert run.is_running()
    assert stopping.requested(run.output_dir) is None
    run.kill()


async def test_a_run_that_does_not_stop_is_killed(spec: TrainingSpec) -> None:
    following, launcher = trainer(stubborn)
    told, stop = Told(), asyncio.Event()
    training = asyncio.create_task(trained(following, spec, told, stop))
    await until(lambda: told.checkpoints)
    stop.set()
    await until(lambda: stopping.requested(spec.output_dir) is not None)
    training.cancel()
    with pytest.raises(asyncio.CancelledError):
        await training
    assert launcher.runs[0].killed


@pytest.mark.parametrize("may_retry", [True, False])
async def test_failures(spec: TrainingSpec, may_retry: bool) -> None:
    def fail(log: EventLog, run: FakeRun) -> None:
        half(log, run)
        log.write("failed", code="training_diverged", message="the loss is not finite", may_retry=may_retry)

    following, _ = trainer(fail)
    if may_retry:
        with pytest.raises(TrainingInterrupted):
            await trained(following, spec, Told())
        return
    with pytest.raises(TrainingFailed) as failed:
        await trained(following, spec, Told())
    assert (failed.value.code, failed.value.message) == ("training_diverged", "the loss is not finite.")


async def test_what_the_launcher_refuses(spec: TrainingSpec) -> None:
    following, _ = trainer(UnsupportedModel("no recipe"))
    with pytest.raises(TrainingFailed, match="no recipe"):
        await trained(following, spec, Told())
    following, _ = trainer(RunIsActive("somebody trains it"))
    with pytest.raises(TrainingInterrupted):
        await trained(following, spec, Told())


async def test_the_estimate_resolves_what_is_auto(spec: TrainingSpec) -> None:
    following, _ = trainer(whole)
    row = json.dumps({"prompt": [{"role": "user", "content": "x"}], "completion": [{"role": "assistant", "content": "y" * 302}]})
    spec.training_rows.write_text((row + "\n") * 160)
    found = await following.estimate(spec, RowCounts(rows=160, characters=64_000, images=0))
    chosen = found.hyperparameters
    assert (chosen.n_epochs, chosen.batch_size, chosen.learning_rate_multiplier) == (2, 4, 0.5)
    assert (found.total_steps, found.tokens) == (80, 2 * 160 * (len(row) // 4))
    assert found.seconds is not None
    assert found.memory_bytes is not None
    assert "trained parameters" in found.description
    assert found.fits


async def test_an_estimate_of_a_model_without_a_recipe(spec: TrainingSpec) -> None:
    following, _ = trainer(whole)
    Path(spec.base.source, "config.json").write_text('{"architectures": ["Other"]}')  # noqa: ASYNC240
    with pytest.raises(TrainingFailed) as failed:
        await following.estimate(spec, RowCounts(160, 64_000, 0))
    assert failed.value.code == "unsupported_model"
