"""Jobs and their events as everybody sees them, and the table of a job's states.

| State      | Means                                      | Next                                                   |
|------------|--------------------------------------------|--------------------------------------------------------|
| queued     | waits for a worker                         | running, paused, cancelled                             |
| running    | a worker has it, or died with it           | queued, pausing, cancelling, succeeded, failed         |
| pausing    | its worker is to leave off                 | paused, running, queued, cancelling, succeeded, failed |
| paused     | waits to be resumed                        | queued, cancelled                                      |
| cancelling | its worker is to leave off for good        | cancelled, succeeded                                   |
| cancelled, succeeded, failed | nothing more will happen | none                                                   |

A run that reaches its result has succeeded, even if it was to be paused or cancelled meanwhile: what it has done, it has done.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Literal, TypeAlias, TypeVar

Json: TypeAlias = Any
"""What JSON can say: a dictionary with text keys, a list, text, a number, a truth value or ``None``."""

Level = Literal["info", "warn", "error"]

_State = TypeVar("_State")

MAX_KIND_CHARS = 48
MAX_STEP_CHARS = 200
"""Longest name of a step and longest key of an event, in characters."""
MAX_MESSAGE_CHARS = 8_000
MAX_EVENT_BYTES = 64 << 10
"""Largest ``data`` of an event, in bytes of JSON."""
MAX_OUTPUT_BYTES = 16 << 20
"""Largest output of a step, progress or result, in bytes of JSON: larger things belong into object storage."""

_ID = re.compile(r"[a-z]{1,12}[-_][0-9a-f]{32}")
_EVENT_ID = re.compile(r"jobev_[0-9a-f]{32}")
_KIND = re.compile(r"[a-z][a-z0-9_.]*")


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        return self in FINISHED


FINISHED = frozenset({JobState.CANCELLED, JobState.SUCCEEDED, JobState.FAILED})
LEASED = frozenset({JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING})
"""States in which a worker has the job, or had it when it died."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed, for its owner. ``param``: the field of its spec that is at fault."""

    code: str
    message: str
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """Times are Unix seconds. ``attempts``: runs that have begun. ``created_by``: the id of the API key."""

    id: str
    kind: str
    organization_id: str
    project_id: str
    created_by: str
    spec: dict[str, Any]
    state: JobState
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: JobError | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class JobEvent:
    """``sequence`` counts a job's events from 1, without gaps. ``created_at``: Unix seconds."""

    id: str
    sequence: int
    created_at: int
    level: Level
    type: str
    message: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told(Generic[_State]):
    """One thing about a watched job: an event, or its state where that has changed.

    ``sequence``: of the last event that was told, this one included; who is cut off goes on there.
    """

    sequence: int
    event: JobEvent | None = None
    state: _State | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be written. ``key``: at most one event of a job has it, however often it is written."""

    message: str
    level: Level = "info"
    type: str = "message"
    data: dict[str, Any] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """``states``: any of them; empty: all. ``ids``: any of them; ``None``: all."""

    states: tuple[JobState, ...] = ()
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    jobs: list[Job]
    has_more: bool


@dataclass(frozen=True, slots=True)
class EventPage:
    events: list[JobEvent]
    has_more: bool


def new_job_id() -> str:
    return f"job_{secrets.token_hex(16)}"


def new_event_id() -> str:
    return f"jobev_{secrets.token_hex(16)}"


def is_job_id(text: str) -> bool:
    """Whether it has the form of one: a prefix and 128 random bits in hexadecimal (``ftjob-…``, ``evalrun_…``)."""
    return _ID.fullmatch(text) is not None


def is_event_id(text: str) -> bool:
    return _EVENT_ID.fullmatch(text) is not None


def is_kind(text: str) -> bool:
    return len(text) <= MAX_KIND_CHARS and _KIND.fullmatch(text) is not None
