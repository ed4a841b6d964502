"""A trainer and a publisher that only say what real ones would say. They train nothing, and can be told to fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from cluster.errors import StoreUnavailable
from cluster.identity.principal import Principal
from cluster.tuning.trainer import (
    BaseModel,
    Estimate,
    OnCheckpoint,
    OnMetrics,
    Publication,
    RowCounts,
    Say,
    StepMetrics,
    TrainedCheckpoint,
    TrainingFailed,
    TrainingResult,
    TrainingSpec,
    TrainingStopped,
)


class Killed(Exception):
    """As if the worker had died there: nothing of the job's handler runs any further."""


@dataclass
class FakeTrainer:
    """``epochs`` of ``steps_per_epoch`` steps. ``die_at``: the step at which the first call ends without a word.

    ``wait_at``: the step at which it waits until it is to stop.
    """

    epochs: int = 4
    steps_per_epoch: int = 2
    die_at: int | None = None
    wait_at: int | None = None
    refusal: TrainingFailed | None = None
    specs: list[TrainingSpec] = field(default_factory=list)
    counts: list[RowCounts] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    saved_step: int = 0
    """Where the next call goes on, as from a checkpoint."""

    async def estimate(self, spec: TrainingSpec, counts: RowCounts) -> Estimate:
        self.counts.append(counts)
        chosen = replace(spec.hyperparameters, n_epochs=self.epochs, batch_size=5, learning_rate_multiplier=1.5)
        if chosen.beta == "auto":
            chosen = replace(chosen, beta=0.1)
        return Estimate(chosen, self.epochs * self.steps_per_epoch, 1000, 60.0, 1 << 30, "About a minute.")

    async def train(
        self, spec: TrainingSpec, on_metrics: OnMetrics, on_checkpoint: OnCheckpoint, stopping: asyncio.Event
    ) -> TrainingResult:
        self.specs.append(spec)
        if self.refusal is not None:
            raise self.refusal
        total = self.epochs * self.steps_per_epoch
        for step in range(self.saved_step + 1, total + 1):
            if step == self.die_at:
                self.die_at = None
                raise Killed
            if step == self.wait_at:
                self.wait_at = None
                self.waiting.set()
                await stopping.wait()
                raise TrainingStopped
            metrics = StepMetrics(step, total, 1 / step, 0.5)
            await on_metrics(metrics)
            if step % self.steps_per_epoch == 0:
                if spec.validation_rows is not None:
                    metrics = replace(metrics, valid_loss=2 / step, valid_mean_token_accuracy=0.25, full_valid_loss=2 / step)
                    await on_metrics(metrics)
                await on_checkpoint(TrainedCheckpoint(step, spec.output_dir / f"checkpoint-{step}", metrics))
                self.saved_step = step
        return TrainingResult(spec.output_dir / "adapter", total, 12345)


@dataclass
class FakePublisher:
    """``trouble``: how often publishing fails before it works. ``room``: why nothing could be kept."""

    trouble: int = 0
    published: list[Publication] = field(default_factory=list)
    room: TrainingFailed | None = None

    async def check_room(self, principal: Principal, base: BaseModel) -> None:
        if self.room is not None:
            raise self.room

    async def publish(self, publication: Publication, say: Say) -> None:
        if self.trouble:
            self.trouble -= 1
            raise StoreUnavailable("Not now.")
        self.published.append(publication)
        await say(f"{publication.name} is registered.")
