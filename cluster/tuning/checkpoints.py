"""Rows of checkpoints. What shows one takes a principal; the rest is written by the job, in its own transactions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import InvalidRequest
from cluster.identity.principal import Principal
from cluster.jobs.model import Job
from cluster.store.database import Database
from cluster.store.tables import FineTuningCheckpointRow
from cluster.tuning.objects import checkpoint_object, metrics_data
from cluster.tuning.spec import TuningSpec, checkpoint_name, new_checkpoint_id
from cluster.tuning.trainer import TrainedCheckpoint

KEPT_CHECKPOINTS: Final = 3
"""OpenAI keeps those of the last three epochs."""
_ID: Final = re.compile(r"ftckpt_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class CheckpointPage:
    items: list[dict[str, Any]]
    has_more: bool

    def to_json(self) -> dict[str, Any]:
        """OpenAI's list object."""
        return {
            "object": "list",
            "data": self.items,
            "first_id": self.items[0]["id"] if self.items else None,
            "last_id": self.items[-1]["id"] if self.items else None,
            "has_more": self.has_more,
        }


class Checkpoints:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, principal: Principal, job_id: str, *, after: str | None, limit: int) -> CheckpointPage:
        """The published ones of a job of the caller, newest first. Raises :class:`InvalidRequest` (``after``)."""
        row = FineTuningCheckpointRow
        own = (row.job_id == job_id, row.org_id == principal.org_id, row.project_id == principal.project_id, row.published)
        query = select(row).where(*own).order_by(row.step.desc()).limit(limit + 1)
        async with self._database.session() as session:
            if after is not None:
                step = None
                if _ID.fullmatch(after):
                    step = (await session.execute(select(row.step).where(row.id == after, *own))).scalar_one_or_none()
                if step is None:
                    raise InvalidRequest("Invalid 'after': there is no such checkpoint.", param="after", code="invalid_value")
                query = query.where(row.step < step)
            found = [checkpoint_object(each) for each in await session.scalars(query)]
        return CheckpointPage(found[:limit], has_more=len(found) > limit)


async def record(session: AsyncSession, job: Job, checkpoint: TrainedCheckpoint, now: float) -> None:
    """Take note of a checkpoint; nobody sees it yet."""
    spec = TuningSpec.of(job.spec)
    session.add(
        FineTuningCheckpointRow(
            id=new_checkpoint_id(),
            job_id=job.id,
            org_id=job.organization_id,
            project_id=job.project_id,
            step=checkpoint.step,
            model=checkpoint_name(spec.tuned_model, checkpoint.step),
            path=str(checkpoint.path),
            metrics=msgspec.json.encode({k: v for k, v in metrics_data(checkpoint.metrics).items() if k != "total_steps"}),
            created_at=int(now),
            published=False,
        )
    )


async def keep_last(session: AsyncSession, job: Job) -> list[dict[str, Any]]:
    """Forget all but the last three; those, by step: ``{"step", "model", "path"}``."""
    row = FineTuningCheckpointRow
    found = list(await session.scalars(select(row).where(row.job_id == job.id).order_by(row.step)))
    kept = found[-KEPT_CHECKPOINTS:]
    await session.execute(delete(row).where(row.job_id == job.id, row.id.not_in([each.id for each in kept])))
    return [{"step": each.step, "model": each.model, "path": each.path} for each in kept]


async def show(session: AsyncSession, job: Job, step: int) -> None:
    """From here on the checkpoint can be seen."""
    row = FineTuningCheckpointRow
    await session.execute(update(row).where(row.job_id == job.id, row.step == step).values(published=True))
