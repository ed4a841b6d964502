"""What a fine-tuning job does: read its files, estimate, train, leave a file of results, publish.

Each step is recorded when it is done. A job that is run again, because its worker died or it was paused, goes on with the first
step that is not; the training itself goes on from its last checkpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from cluster.config.settings.tuning import TuningSettings
from cluster.errors import PermissionDenied
from cluster.files.model import Purpose, new_file_id
from cluster.files.service import Files
from cluster.jobs.context import JobContext
from cluster.jobs.errors import JobFailed, StopReason
from cluster.jobs.model import Level
from cluster.tuning import checkpoints
from cluster.tuning.hyperparameters import Hyperparameters
from cluster.tuning.models import BaseModels
from cluster.tuning.objects import Progress, Status
from cluster.tuning.result_file import FILENAME, result_csv
from cluster.tuning.spec import KIND, TuningSpec
from cluster.tuning.stopping import unless_stopped
from cluster.tuning.trainer import (
    BaseModel,
    Publication,
    Publisher,
    RowCounts,
    Trainer,
    TrainingFailed,
    TrainingSpec,
)
from cluster.tuning.training import parity
from cluster.tuning.training_step import TrainingStep
from cluster.tuning.validation_step import FileValidation
from cluster.tuning.workspace import Workspace

NEXT_START: Final = (
    "`ossature serve`: stop it and start it again; Kubernetes: `helm upgrade … --reuse-values --set-string rollout=$(date +%s)`"
)
"""What an operator does for merged models to be served."""


class FineTuningHandler:
    """A :class:`~cluster.jobs.handler.JobHandler`."""

    kind = KIND

    def __init__(
        self,
        files: Files,
        models: BaseModels,
        trainer: Trainer,
        publisher: Publisher,
        settings: TuningSettings,
        work_dir: Path,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._models = models
        self._trainer = trainer
        self._publisher = publisher
        self._settings = settings
        self._work_dir = work_dir
        self._now = now

    async def run(self, context: JobContext) -> dict[str, Any]:
        """The result: ``fine_tuned_model``, ``result_files``, ``trained_tokens``."""
        workspace = Workspace.of(self._work_dir, context.job)
        try:
            result = await self._run(context, workspace)
        except TrainingFailed as error:
            await asyncio.to_thread(workspace.drop_rows)
            raise JobFailed(error.code, error.message) from error
        except JobFailed:
            await asyncio.to_thread(workspace.drop_rows)
            raise
        except BaseException:
            if context.stop_reason is StopReason.CANCEL:
                await asyncio.to_thread(workspace.drop)
            raise
        # All that is still of use is published, and the steps that would ask for more are recorded.
        await asyncio.to_thread(workspace.drop)
        return result

    async def _run(self, context: JobContext, workspace: Workspace) -> dict[str, Any]:
        spec = TuningSpec.of(context.job.spec)
        base = self._models.find(context.principal, spec.model)
        if base is None:
            raise JobFailed("model_not_available", f"The model {spec.model!r} can't be fine-tuned any more.", "model")
        base = await self._in_its_form(context, base)
        counts = await self._prepared(context, spec, base, workspace)
        asked = self._training_spec(context, spec, base, workspace)
        estimate = await context.step("estimate", lambda: self._estimated(context, asked, counts))
        progress = Progress(
            Status.RUNNING,
            hyperparameters=estimate["shown"],
            estimated_finish=None if estimate["seconds"] is None else int(self._now() + estimate["seconds"]),
            total_steps=estimate["total_steps"],
        )
        await context.progress(progress.to_json())
        await context.event("The training has begun.", key="training")
        resolved = replace(asked, hyperparameters=Hyperparameters.of(estimate["hyperparameters"]))
        training = TrainingStep(context, self._trainer, workspace, progress, self._now)
        trained = await context.step("train", lambda: training.run(resolved))
        await context.progress(replace(progress, step=trained["step"], estimated_finish=None).to_json())
        result_file = await self._result_file(context, workspace)
        await self._publish(context, spec, base, trained)
        when = f"answers from the cluster's next start on ({NEXT_START})" if base.merged_because else "can be used"
        await context.event(f"The job has succeeded: {spec.tuned_model} {when}.", key="succeeded")
        return {
            "fine_tuned_model": spec.tuned_model,
            "result_files": [result_file],
            "trained_tokens": trained["trained_tokens"],
        }

    async def _in_its_form(self, context: JobContext, base: BaseModel) -> BaseModel:
        """What is trained, decided once: a job that goes on after the settings have changed trains what it began with."""

        async def decided() -> dict[str, Any]:
            await self._publisher.check_room(context.principal, base)
            return {
                "max_rank": base.max_rank,
                "every_weight": base.every_weight,
                "experts": base.experts,
                "merged_because": list(base.merged_because),
            }

        form = await context.step("form", decided)
        base = replace(base, **{**form, "merged_because": tuple(form["merged_because"])})
        if base.merged_because:
            await context.event(
                f"The result will be served as a model of its own, merged into the weights of {base.id}, because "
                f"{' and '.join(base.merged_because)}. It takes the CPUs and GPUs of one more replica of {base.id}, from the "
                "cluster's next start on.",
                level="warn",
                data={"merged_because": list(base.merged_because)},
                key="form",
            )
        return base

    async def _prepared(self, context: JobContext, spec: TuningSpec, base: BaseModel, workspace: Workspace) -> RowCounts:
        validation = FileValidation(context, self._files, self._settings, spec.method, base)
        counts = await context.step(
            "training_file", lambda: validation.prepare(spec.training_file, "training_file", workspace.training_rows)
        )
        if (file_id := spec.validation_file) is not None:
            await context.step("validation_file", lambda: validation.prepare(file_id, "validation_file", workspace.validation_rows))
        return RowCounts(rows=counts["rows"], characters=counts["characters"], images=counts["images"])

    def _training_spec(self, context: JobContext, spec: TuningSpec, base: BaseModel, workspace: Workspace) -> TrainingSpec:
        return TrainingSpec(
            job_id=context.job.id,
            method=spec.method,
            base=base,
            training_rows=workspace.training_rows,
            validation_rows=workspace.validation_rows if spec.validation_file is not None else None,
            output_dir=workspace.output,
            hyperparameters=spec.hyperparameters,
            seed=spec.seed,
            template_variables={"date": spec.date},
        )

    async def _estimated(self, context: JobContext, spec: TrainingSpec, counts: RowCounts) -> dict[str, Any]:
        await context.progress(Progress(Status.QUEUED).to_json())
        estimate = await self._trainer.estimate(spec, counts)
        shown = estimate.hyperparameters.to_json(spec.method)
        data = {
            "hyperparameters": shown,
            "total_steps": estimate.total_steps,
            "tokens": estimate.tokens,
            "seconds": estimate.seconds,
            "memory_bytes": estimate.memory_bytes,
        }
        level: Level = "info" if estimate.fits else "warn"
        await context.event(f"{estimate.total_steps} steps. {estimate.description}".strip(), level=level, data=data, key="estimate")
        return {**data, "shown": shown, "hyperparameters": asdict(estimate.hyperparameters)}

    async def _result_file(self, context: JobContext, workspace: Workspace) -> str:
        async def chosen() -> str:
            return new_file_id()

        # Chosen before the file is made, so that a job that is run again does not make another one.
        file_id: str = await context.step("result_file_id", chosen)

        async def made() -> str:
            content = await asyncio.to_thread(lambda: result_csv(workspace.metrics()))
            try:
                kept = await self._files.keep(context.principal, file_id, FILENAME, Purpose.FINE_TUNE_RESULTS, content)
            except PermissionDenied as error:
                raise JobFailed(error.code or "file_quota_exceeded", error.message) from error
            return kept.id

        await context.step("result_file", made)
        return file_id

    async def _publish(self, context: JobContext, spec: TuningSpec, base: BaseModel, trained: dict[str, Any]) -> None:
        async def say(message: str, *, data: Mapping[str, Any] | None = None, key: str | None = None) -> None:
            await context.event(message, data=data, key=f"publish:{key or message}"[:200])

        async def publish(name: str, path: str, step: int | None, scores: str | None = None) -> str:
            found = Path(scores) if scores is not None else None
            publication = Publication(context.principal, context.job.id, name, Path(path), step, found, base.merged_because)
            await unless_stopped(context, self._publisher.publish(publication, say))
            return name

        await context.step("publish", lambda: publish(spec.tuned_model, trained["path"], None, trained.get("scores")))
        await context.event(f"The model {spec.tuned_model} was made.", key="published")
        if base.merged_because:
            await context.event(
                "Its checkpoints are not published: each would be a model of its own, with engines of its own.", key="checkpoints"
            )
            return

        async def publish_checkpoint(name: str, path: str, step: int) -> str | None:
            """``None``: it must not be served. The result can be all the same, and the job goes on."""
            scores = await asyncio.to_thread(_scores_in, path)
            try:
                return await publish(name, path, step, scores)
            except TrainingFailed as error:
                await say(f"The checkpoint of step {step} is not published. {error.message}", key=f"refused:{step}")
                return None

        for kept in trained["checkpoints"]:
            name, path, step = kept["model"], kept["path"], kept["step"]
            if await context.step(f"publish:{step}", lambda n=name, p=path, s=step: publish_checkpoint(n, p, s)) is not None:  # type: ignore[misc]
                await context.transaction(f"show:{step}", lambda session, s=step: checkpoints.show(session, context.job, s))  # type: ignore[misc]


def _scores_in(checkpoint: str) -> str | None:
    """The file of what the trainer makes of held-out rows with this checkpoint, if it has left one. Blocks."""
    path = Path(checkpoint) / parity.FILE
    return str(path) if path.is_file() else None
