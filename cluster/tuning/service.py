"""Fine-tuning jobs as their organization's project sees them. No query without a principal."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any, Final

from cluster.errors import InvalidRequest, NotFound
from cluster.files.model import Purpose
from cluster.files.service import Files
from cluster.identity.principal import Principal
from cluster.jobs.model import Job, JobEvent, NewEvent, Told
from cluster.jobs.service import Jobs
from cluster.tuned.names import TunedName
from cluster.tuning.checkpoints import CheckpointPage, Checkpoints
from cluster.tuning.models import BaseModels
from cluster.tuning.objects import event_cursor, event_object, job_object
from cluster.tuning.request import CreateFineTuningJob
from cluster.tuning.spec import KIND, TuningSpec, new_job_id
from cluster.tuning.trainer import BaseModel

_ID: Final = re.compile(r"ftjob-[0-9a-f]{32}")
_SCAN: Final = 100


class FineTuning:
    """Methods raise :class:`NotFound` for what does not exist or is not the caller's own, alike."""

    def __init__(
        self,
        jobs: Jobs,
        files: Files,
        checkpoints: Checkpoints,
        models: BaseModels | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``models``: ``None`` where nothing is set up to train."""
        self._jobs = jobs
        self._files = files
        self._checkpoints = checkpoints
        self._models = models
        self._now = now

    async def create(self, principal: Principal, request: CreateFineTuningJob) -> dict[str, Any]:
        """Queue a job. Raises :class:`InvalidRequest` for what can be known to be wrong before the files are read."""
        method, hyperparameters = request.chosen()
        base = self._base(principal, request.model)
        if method not in base.methods:
            raise InvalidRequest(
                f"The model {base.id!r} can't be tuned by the method '{method}'.", param="method.type", code="unsupported_value"
            )
        await self._check_file(principal, request.training_file, "training_file")
        if request.validation_file is not None:
            if request.validation_file == request.training_file:
                raise InvalidRequest(
                    "The validation file must not be the training file: it would say nothing of what was learned.",
                    param="validation_file",
                    code="invalid_value",
                )
            await self._check_file(principal, request.validation_file, "validation_file")
        name = str(TunedName.new(base.id, principal.org_id, request.suffix or ""))
        job_id = new_job_id()
        spec = TuningSpec(
            model=base.id,
            tuned_model=name,
            method=method,
            hyperparameters=hyperparameters,
            training_file=request.training_file,
            validation_file=request.validation_file,
            suffix=request.suffix,
            seed=request.seed if request.seed is not None else secrets.randbelow(2**31),
            metadata=request.metadata,
            date=datetime.fromtimestamp(self._now(), UTC).date().isoformat(),
        )
        created = NewEvent(f"The fine-tuning job {job_id} was created.")
        return job_object(await self._jobs.create(principal, KIND, spec.to_json(), job_id=job_id, events=[created]))

    async def get(self, principal: Principal, job_id: str) -> dict[str, Any]:
        return job_object(await self._job(principal, job_id))

    async def list(
        self, principal: Principal, *, limit: int, after: str | None, metadata: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Newest first. ``metadata``: pairs that a job must have; empty: it must have none at all; ``None``: whichever.

        Raises :class:`InvalidRequest` for an ``after`` that is not in the list.
        """
        found: list[Job] = []
        while True:
            page = await self._jobs.list(principal, KIND, limit=limit + 1 if metadata is None else _SCAN, after=after)
            found += [job for job in page.jobs if _matches(job, metadata)]
            if len(found) > limit or not page.has_more:
                break
            after = page.jobs[-1].id
        return {"object": "list", "data": [job_object(job) for job in found[:limit]], "has_more": len(found) > limit}

    async def cancel(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """Raises :class:`~cluster.errors.Conflict` for a job that has succeeded or failed."""
        await self._job(principal, job_id)
        return job_object(await self._jobs.cancel(principal, job_id))

    async def pause(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """Raises :class:`~cluster.errors.Conflict` for a job that is finished or being cancelled."""
        await self._job(principal, job_id)
        return job_object(await self._jobs.pause(principal, job_id))

    async def resume(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """Raises :class:`~cluster.errors.Conflict` for a job that is finished or being cancelled."""
        await self._job(principal, job_id)
        return job_object(await self._jobs.resume(principal, job_id))

    async def events(self, principal: Principal, job_id: str, *, limit: int, after: str | None) -> dict[str, Any]:
        """Newest first, as OpenAI lists them. Raises :class:`InvalidRequest` for an ``after`` that is not an event of this job."""
        await self._job(principal, job_id)
        cursor = event_cursor(after) if after is not None else None
        page = await self._jobs.events(principal, job_id, limit=limit, after=cursor, order="desc")
        return {"object": "list", "data": [event_object(event) for event in page.events], "has_more": page.has_more}

    async def checkpoints(self, principal: Principal, job_id: str, *, limit: int, after: str | None) -> CheckpointPage:
        """Those that can be used as models: of the last three epochs, once the job has succeeded."""
        await self._job(principal, job_id)
        return await self._checkpoints.page(principal, job_id, after=after, limit=limit)

    async def watch(self, principal: Principal, job_id: str, after_sequence: int = 0) -> AsyncGenerator[Told[dict[str, Any]], None]:
        """Each event after ``after_sequence`` in order, and the job whenever it has changed; ends with the finished job."""
        await self._job(principal, job_id)
        async with aclosing(self._jobs.watch(principal, job_id, after_sequence)) as told:
            async for each in told:
                if isinstance(each, JobEvent):
                    after_sequence = each.sequence
                    yield Told(after_sequence, event=each)
                else:
                    yield Told(after_sequence, state=job_object(each))

    # --- parts of the above -----------------------------------------------------------------------------------------------

    def _base(self, principal: Principal, model_id: str) -> BaseModel:
        if self._models is None:
            raise InvalidRequest(
                "This cluster is not set up for fine-tuning. Its operator installs what training needs (the extra `tuning`) and "
                "sets `tuning.enabled`; docs/fine-tuning.md tells how.",
                code="fine_tuning_not_configured",
            )
        base = self._models.find(principal, model_id)
        if base is None:
            raise InvalidRequest(
                f"The model {model_id[:100]!r} does not exist here, or can't be fine-tuned.",
                param="model",
                code="model_not_available",
            )
        return base

    async def _check_file(self, principal: Principal, file_id: str, param: str) -> None:
        try:
            file = await self._files.get(principal, file_id)
        except NotFound:
            raise InvalidRequest(f"There is no file {file_id[:100]!r}.", param=param, code="file_not_found") from None
        if file.purpose != Purpose.FINE_TUNE:
            raise InvalidRequest(
                f"The file {file.id!r} was uploaded for the purpose '{file.purpose}', and must be of the purpose 'fine-tune'.",
                param=param,
                code="invalid_file_purpose",
            )

    async def _job(self, principal: Principal, job_id: str) -> Job:
        job = None
        if _ID.fullmatch(job_id):
            with suppress(NotFound):
                job = await self._jobs.get(principal, job_id)
        if job is None or job.kind != KIND:
            raise NotFound(
                f"There is no fine-tuning job {job_id[:100]!r}.", param="fine_tuning_job_id", code="fine_tuning_job_not_found"
            )
        return job


def _matches(job: Job, metadata: Mapping[str, str] | None) -> bool:
    if metadata is None:
        return True
    own = job.spec["metadata"] or {}
    return all(own.get(key) == value for key, value in metadata.items()) if metadata else not own
