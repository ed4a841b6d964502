"""Between rows and what users and workers see; writing a job's events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.jobs.model import (
    FINISHED,
    MAX_EVENT_BYTES,
    MAX_MESSAGE_CHARS,
    MAX_STEP_CHARS,
    Job,
    JobError,
    JobEvent,
    JobState,
    Json,
    NewEvent,
    new_event_id,
)
from cluster.store.tables import JobEventRow, JobRow


def encoded(value: Json, max_bytes: int, what: str) -> bytes:
    """As JSON. Raises ``TypeError`` for what it can't say and ``ValueError`` when it is too large."""
    data = msgspec.json.encode(value)
    if len(data) > max_bytes:
        raise ValueError(f"{what} of {len(data):,} bytes is larger than {max_bytes:,}")
    return data


def decoded(data: bytes) -> Json:
    return msgspec.json.decode(data)


def job_of(row: JobRow) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        organization_id=row.org_id,
        project_id=row.project_id,
        created_by=row.key_id,
        spec=decoded(row.spec),
        state=JobState(row.state),
        progress=decoded(row.progress),
        result=decoded(row.result) if row.result is not None else None,
        error=JobError(**decoded(row.error)) if row.error is not None else None,
        created_at=row.created_us // 1_000_000,
        started_at=row.started_at,
        finished_at=row.finished_at,
        attempts=row.attempts,
    )


def event_of(row: JobEventRow) -> JobEvent:
    return JobEvent(
        id=row.id,
        sequence=row.sequence,
        created_at=row.created_at,
        level=row.level,  # type: ignore[arg-type]  # written by add_events alone
        type=row.type,
        message=row.message,
        data=decoded(row.data),
    )


def storable(text: str) -> str:
    """Without what PostgreSQL's text and UTF-8 can't hold: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


async def add_events(session: AsyncSession, row: JobRow, events: Iterable[NewEvent], now: float) -> None:
    """Write events of a job whose row is locked by this transaction (or was made in it).

    Events whose key the job has already are left out. Raises ``ValueError`` for one that is too large.
    """
    events = list(events)
    keys = [event.key for event in events if event.key is not None]
    if any(len(key) > MAX_STEP_CHARS for key in keys):
        raise ValueError(f"an event's key is longer than {MAX_STEP_CHARS} characters")
    known: set[str | None] = set()
    if keys:
        query = select(JobEventRow.key).where(JobEventRow.job_id == row.id, JobEventRow.key.in_(keys))
        known = set(await session.scalars(query))
    values: list[dict[str, Any]] = []
    for event in events:
        if event.key is not None:
            if event.key in known:
                continue
            known.add(event.key)
        row.event_sequence += 1
        values.append(
            {
                "job_id": row.id,
                "sequence": row.event_sequence,
                "id": new_event_id(),
                "org_id": row.org_id,
                "created_at": int(now),
                "level": event.level,
                "type": event.type,
                "message": storable(event.message)[:MAX_MESSAGE_CHARS],
                "data": encoded(event.data, MAX_EVENT_BYTES, "an event's data"),
                "key": event.key,
            }
        )
    if values:
        row.revision += 1
        await session.flush()
        await session.execute(insert(JobEventRow), values)


def change_state(row: JobRow, state: JobState, now: float) -> None:
    """Put a locked row into a state; out of all but ``running``, ``pausing`` and ``cancelling`` nobody has its lease any more."""
    row.state = state
    row.revision += 1
    if state in FINISHED:
        row.finished_at = int(now)
    if state not in (JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING):
        row.lease_owner = None
        row.lease_expires_at = None
        # Whoever had it is fenced off, wherever this change came from.
        row.lease_token += 1
