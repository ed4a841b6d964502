"""The longest step of a job: what the trainer tells of becomes events, progress and rows of checkpoints."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from cluster.jobs.context import JobContext
from cluster.jobs.errors import StopReason
from cluster.tuning import checkpoints
from cluster.tuning.objects import Progress, metrics_data, metrics_message
from cluster.tuning.trainer import StepMetrics, TrainedCheckpoint, Trainer, TrainingResult, TrainingSpec, TrainingStopped
from cluster.tuning.workspace import Workspace

MAX_METRIC_EVENTS: Final = 500
"""Steps of a job that get an event. Of a longer training every n-th does, and all that have validation figures; the result file
has every step."""


class TrainingStep:
    def __init__(
        self,
        context: JobContext,
        trainer: Trainer,
        workspace: Workspace,
        progress: Progress,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``progress``: as it is when the training begins."""
        self._context = context
        self._trainer = trainer
        self._workspace = workspace
        self._progress = progress
        self._now = now
        self._noted: set[tuple[int, bool]] = set()
        self._first: tuple[int, float] | None = None
        """The first step that this run was told of, and when: what the end is estimated from."""

    async def run(self, spec: TrainingSpec) -> dict[str, Any]:
        """Train to the end; ``{"path", "step", "trained_tokens", "scores", "checkpoints"}``.

        Raises what the trainer does, and :class:`~cluster.jobs.errors.JobStopped` where it has left off because the job is to stop.
        """
        self._noted = await asyncio.to_thread(self._workspace.noted_metrics)
        try:
            result = await self._trained(spec)
        except TrainingStopped:
            await self._context.check()
            raise
        job = self._context.job
        kept = await self._context.transaction("checkpoints", lambda session: checkpoints.keep_last(session, job))
        return {
            "path": str(result.path),
            "step": result.step,
            "trained_tokens": result.trained_tokens,
            "scores": str(result.scores) if result.scores is not None else None,
            "checkpoints": kept,
        }

    async def _trained(self, spec: TrainingSpec) -> TrainingResult:
        """The training is stopped when the job is paused or cancelled. A worker that goes away leaves it to the next one."""
        context, stopping = self._context, asyncio.Event()
        training = asyncio.create_task(self._trainer.train(spec, self._on_metrics, self._on_checkpoint, stopping))
        stop = asyncio.create_task(context.stopping.wait())
        try:
            await asyncio.wait([training, stop], return_when=asyncio.FIRST_COMPLETED)
            if not training.done():
                if context.stop_reason not in (StopReason.PAUSE, StopReason.CANCEL):
                    await context.check()
                stopping.set()
            return await training
        finally:
            stop.cancel()
            training.cancel()
            await asyncio.gather(training, stop, return_exceptions=True)

    async def _on_metrics(self, metrics: StepMetrics) -> None:
        data = metrics_data(metrics)
        validated = metrics.valid_loss is not None or metrics.full_valid_loss is not None
        if (metrics.step, validated) in self._noted:
            return
        every = math.ceil(metrics.total_steps / MAX_METRIC_EVENTS)
        if metrics.step % every == 0 or validated or metrics.step in (1, metrics.total_steps):
            await self._tell(metrics, data, validated)
        # After the event: what is noted is not told of again.
        await asyncio.to_thread(self._workspace.add_metrics, data, validated)
        self._noted.add((metrics.step, validated))

    async def _tell(self, metrics: StepMetrics, data: dict[str, Any], validated: bool) -> None:
        key = f"step:{metrics.step}{':validated' if validated else ''}"
        await self._context.event(metrics_message(metrics), type="metrics", data=data, key=key)
        self._progress = replace(
            self._progress,
            step=metrics.step,
            total_steps=metrics.total_steps,
            estimated_finish=self._estimated_finish(metrics) or self._progress.estimated_finish,
        )
        await self._context.progress(self._progress.to_json())

    async def _on_checkpoint(self, checkpoint: TrainedCheckpoint) -> None:
        job, now = self._context.job, self._now()
        await self._context.transaction(
            f"checkpoint:{checkpoint.step}", lambda session: checkpoints.record(session, job, checkpoint, now)
        )
        await self._context.event(
            f"The checkpoint of step {checkpoint.step} is kept.",
            data={"step": checkpoint.step},
            key=f"checkpoint:{checkpoint.step}",
        )

    def _estimated_finish(self, metrics: StepMetrics) -> int | None:
        """By the time that this run's steps have taken; ``None`` before there are two."""
        now = self._now()
        if self._first is None:
            self._first = (metrics.step, now)
        step, began = self._first
        if metrics.step <= step:
            return None
        return int(now + (now - began) / (metrics.step - step) * (metrics.total_steps - metrics.step))
