"""A trainer that starts runs by a launcher, in processes of their own on this machine or by Ray, and follows what they write.

A run outlives whoever follows it. A job that is run again finds it by its ``output_dir``: still training, to be resumed, or done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from cluster.config.settings.tuning import TuningSettings
from cluster.tuning.hyperparameters import Hyperparameters
from cluster.tuning.trainer import (
    Estimate,
    OnCheckpoint,
    OnMetrics,
    RowCounts,
    StepMetrics,
    TrainedCheckpoint,
    TrainingFailed,
    TrainingResult,
    TrainingSpec,
    TrainingStopped,
)
from cluster.tuning.training import events, stopping
from cluster.tuning.training import spec as training_spec
from cluster.tuning.training.errors import TrainingError
from cluster.tuning.training.events import Event
from cluster.tuning.training.launcher import Launcher, Run
from cluster.tuning.training.planning import plan

logger = logging.getLogger(__name__)

_POLL_S: Final = 1.0
_STARTS: Final = 3
"""How often a run is started that dies without a word, before the job's own mechanism has its turn."""


class TrainingInterrupted(Exception):
    """The run has ended before its end, and may go better the next time."""


class LaunchedTrainer:
    """A :class:`~cluster.tuning.trainer.Trainer`."""

    def __init__(self, launcher: Launcher, settings: TuningSettings, poll_s: float = _POLL_S) -> None:
        self._launcher = launcher
        self._settings = settings
        self._poll_s = poll_s

    async def estimate(self, spec: TrainingSpec, counts: RowCounts) -> Estimate:
        try:
            return await asyncio.to_thread(self._estimate, spec)
        except TrainingError as error:
            raise TrainingFailed(error.code, f"{error}.") from error

    async def train(
        self, spec: TrainingSpec, on_metrics: OnMetrics, on_checkpoint: OnCheckpoint, stopping: asyncio.Event
    ) -> TrainingResult:
        return await _Following(self._train_spec(spec), self._launcher, on_metrics, on_checkpoint, stopping, self._poll_s).run()

    def _estimate(self, spec: TrainingSpec) -> Estimate:
        planned = plan(self._train_spec(spec))
        resolved, cost = planned.run, planned.estimate
        chosen = Hyperparameters(
            n_epochs=resolved.n_epochs,
            batch_size=resolved.batch_size,
            learning_rate_multiplier=resolved.learning_rate_multiplier,
            beta=resolved.beta,
        )
        return Estimate(chosen, resolved.total_steps, cost.tokens, cost.seconds, cost.memory_bytes, cost.describe(), cost.fits)

    def _train_spec(self, spec: TrainingSpec) -> training_spec.TrainSpec:
        settings = self._settings
        return training_spec.TrainSpec(
            job_id=spec.job_id,
            method=training_spec.Method(spec.method.value),
            base_model=Path(spec.base.source),
            training_file=spec.training_rows,
            validation_file=spec.validation_rows,
            output_dir=spec.output_dir,
            hyperparameters=training_spec.Hyperparameters(**asdict(spec.hyperparameters)),
            seed=spec.seed,
            adapter=training_spec.Adapter.FULL if spec.base.every_weight else training_spec.Adapter.LORA,
            lora_rank=spec.base.max_rank,
            lora_experts=spec.base.experts,
            merge=bool(spec.base.merged_because),
            checkpoint_every_steps=settings.checkpoint_every_steps,
            parity_rows=settings.parity_probe.rows if settings.parity_probe.enabled else 0,
            parity_row_tokens=settings.parity_probe.max_row_tokens,
            device=training_spec.Device(settings.device),
            workers=settings.workers,
            cpu_threads=settings.cpu_threads,
            template_variables=dict(spec.template_variables),
        )


class _Following:
    """One run, from wherever it is to its end."""

    def __init__(
        self,
        spec: training_spec.TrainSpec,
        launcher: Launcher,
        on_metrics: OnMetrics,
        on_checkpoint: OnCheckpoint,
        stopping: asyncio.Event,
        poll_s: float,
    ) -> None:
        self._spec = spec
        self._launcher = launcher
        self._on_metrics = on_metrics
        self._on_checkpoint = on_checkpoint
        self._stopping = stopping
        self._poll_s = poll_s
        self._seen = 0
        self._total_steps = 0
        self._tokens = 0
        self._latest: StepMetrics | None = None

    async def run(self) -> TrainingResult:
        if (result := await self._told(await self._news())) is not None:
            return result
        for _ in range(_STARTS):
            if self._stopping.is_set():
                raise TrainingStopped
            run = await asyncio.to_thread(self._start)
            try:
                ending = await self._follow(run)
            except asyncio.CancelledError:
                # Asked to stop and out of patience. Otherwise nobody but this follower ends: the run goes on, to be found again.
                if self._stopping.is_set():
                    await asyncio.to_thread(run.kill)
                raise
            if isinstance(ending, TrainingResult):
                return ending
            if ending is not None:
                self._raise(ending)
            logger.warning("the training of %s has died without a word", self._spec.job_id)
        raise TrainingInterrupted(f"the training has died {_STARTS} times")

    def _start(self) -> Run:
        stopping.withdraw(self._spec.output_dir)
        try:
            return self._launcher.start(self._spec)
        except TrainingError as error:
            if error.may_retry:
                raise TrainingInterrupted(str(error)) from error
            raise TrainingFailed(error.code, f"{error}.") from error

    async def _follow(self, run: Run) -> TrainingResult | Event | None:
        """The result; the event by which it ended otherwise; ``None`` when it died without one."""
        asked = False
        while True:
            if self._stopping.is_set() and not asked:
                await asyncio.to_thread(stopping.request, self._spec.output_dir, stopping.Reason.PAUSE)
                asked = True
            # In this order: what it writes before it ends is read after it has ended.
            running = await asyncio.to_thread(run.is_running)
            news = await self._news()
            if (result := await self._told(news)) is not None:
                return result
            if not running:
                return news[-1] if news and news[-1].kind in events.ENDS else None
            if ended := [event for event in news if event.kind in events.ENDS]:
                return ended[-1]
            waiting = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([waiting], timeout=self._poll_s) if not asked else await asyncio.sleep(self._poll_s)
            waiting.cancel()

    async def _news(self) -> list[Event]:
        found = await asyncio.to_thread(events.read, self._spec.output_dir, after_seq=self._seen)
        if found:
            self._seen = found[-1].seq
        return found

    async def _told(self, news: Sequence[Event]) -> TrainingResult | None:
        """Pass on what the run says. The result, once it is there."""
        for event in news:
            fields = event.fields
            match event.kind:
                case "started":
                    self._total_steps = fields["total_steps"]
                case "step":
                    self._tokens += fields["tokens"]
                    self._latest = StepMetrics(
                        step=fields["step"],
                        total_steps=self._total_steps,
                        train_loss=fields["train_loss"],
                        train_mean_token_accuracy=fields["train_mean_token_accuracy"],
                    )
                    await self._on_metrics(self._latest)
                case "validation" if self._latest is not None and self._latest.step == fields["step"]:
                    loss, accuracy = fields["valid_loss"], fields["valid_mean_token_accuracy"]
                    # The whole file is validated, each time.
                    self._latest = replace(
                        self._latest,
                        valid_loss=loss,
                        valid_mean_token_accuracy=accuracy,
                        full_valid_loss=loss,
                        full_valid_mean_token_accuracy=accuracy,
                    )
                    await self._on_metrics(self._latest)
                case "checkpoint" if fields["epoch_end"] and self._latest is not None:
                    await self._on_checkpoint(TrainedCheckpoint(fields["step"], Path(fields["path"]), self._latest))
                case "finished":
                    scores = fields.get("parity")
                    return TrainingResult(
                        Path(fields["adapter"]), fields["step"], self._tokens, Path(scores) if scores is not None else None
                    )
        return None

    def _raise(self, ending: Event) -> None:
        if ending.kind == "stopped":
            if self._stopping.is_set():
                raise TrainingStopped
            raise TrainingInterrupted("the training was stopped by somebody else")
        if ending.fields["may_retry"]:
            raise TrainingInterrupted(ending.fields["message"])
        raise TrainingFailed(ending.fields["code"], f"{ending.fields['message']}.")
