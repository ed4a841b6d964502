"""Label values from closed or bounded sets: no string that a caller made up becomes a time series."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cluster import errors

OTHER = "other"
UNKNOWN = "unknown"
OK = "ok"
CANCELLED = "cancelled"
INTERNAL_ERROR = "internal_error"

EDGES = frozenset({"http", "grpc", "realtime", "jobs"})
AFFINITIES = frozenset({"home", "known", "spilled", "none"})
PREDICTIONS = frozenset({"predicted", "actual"})
TOKEN_KINDS = ("prompt", "cached", "shown_cached", "completion")
RETRY_REASONS = frozenset({"replica_lost", "engine_dead"})
CONNECTION_OUTCOMES = frozenset({"first", "again", "refused"})
CHANNEL_END_REASONS = frozenset({"closed", "silent", "protocol", "superseded"})
KV_EVENTS = frozenset({"stored", "removed", "cleared"})
KV_FEED_OUTCOMES = frozenset({"gap", "replay", "reset"})
DIRECTIONS = frozenset({"received", "sent"})
AUTH_REASONS = frozenset({"missing", "malformed", "unknown", "wrong_organization", "wrong_project", "unavailable"})
COLD_START_PHASES = frozenset({"import", "processes", "load_weights", "kv_cache", "serving", "warm_up"})
FRONT_ENDS = frozenset({"lean", "vllm"})
SESSION_KINDS = frozenset({"realtime", "transcription"})
SPEECH_WORK = frozenset({"recognition", "synthesis"})
REALTIME_STAGES = frozenset({"recognition", "first_token", "first_clause", "first_audio", "total"})
REALTIME_EVENTS = frozenset({"turn", "interruption", "turn_without_words", "early_answer_kept", "early_answer_dropped"})
#: What speech requests are counted as, in place of a model: the names under which it is offered are a deployment's own.
SPEECH_TO_TEXT = "speech-to-text"
TEXT_TO_SPEECH = "text-to-speech"
SPEECH_SERVICES = frozenset({SPEECH_TO_TEXT, TEXT_TO_SPEECH})
SPEECH_SURFACES = frozenset({"speech", "transcription", "chat"})
SPEAKING_SURFACES = frozenset({"speech", "chat"})
#: Surface and direction of the audio that there is.
SPEECH_WAYS = frozenset({("speech", "sent"), ("transcription", "received"), ("chat", "received"), ("chat", "sent")})

STORED = "stored"
STORE_QUOTA = "quota_exceeded"
STORE_TOO_LARGE = "too_large"
STORE_OVERLOADED = "overloaded"
STORE_UNAVAILABLE = "unavailable"
STORE_TIMEOUT = "timeout"
STORE_OUTCOMES = frozenset({STORED, STORE_QUOTA, STORE_TOO_LARGE, STORE_OVERLOADED, STORE_UNAVAILABLE, STORE_TIMEOUT})
SWEEP_REASONS = frozenset({"expired", "orphan"})
JOB_STATES = ("queued", "running", "pausing", "paused", "cancelling")
JOB_OUTCOMES = frozenset({"succeeded", "failed", "cancelled", "paused", "retried", "released", "lost"})

ORGANIZATIONS_FILE = "organizations"


def known(value: str | None, allowed: frozenset[str], otherwise: str = OTHER) -> str:
    """``value`` if it is one of ``allowed``, else ``otherwise``."""
    return value if value is not None and value in allowed else otherwise


def _error_classes(base: type[errors.OssatureError]) -> Iterator[type[errors.OssatureError]]:
    yield base
    for subclass in base.__subclasses__():
        yield from _error_classes(subclass)


def _snake_case(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))


def class_code(error: type[errors.OssatureError]) -> str:
    """The code of an error class: its default code, or its name where it has none (``InvalidRequest`` → ``invalid_request``)."""
    if error is errors.OssatureError:
        return INTERNAL_ERROR
    return error.default_code or _snake_case(error.__name__)


def error_codes() -> frozenset[str]:
    """Every code that the tree of ``cluster.errors`` can bring, and ``internal_error`` for defects."""
    return frozenset(class_code(error) for error in _error_classes(errors.OssatureError))


def code_of(error: BaseException) -> str:
    """The ``code`` label of an error: its own code if the cluster knows it, else its class's; defects are ``internal_error``."""
    if not isinstance(error, errors.OssatureError):
        return INTERNAL_ERROR
    return error.code if error.code is not None and error.code in error_codes() else class_code(type(error))


class OrganizationLabels:
    """Gives the first ``limit`` organizations a label of their own, all later ones ``other``.

    The bound holds over all processes of a node. They share one append-only file, a line an organization: a process that meets a
    new organization appends it, then reads the file, and the first ``limit`` distinct lines are the chosen ones. Appending a
    short line is atomic and lines never change, so that every process comes to the same set without a lock. At most ``limit``
    organizations cost a file access (tens of microseconds) in each process; once the file is full none does.

    Without ``directory`` (a single process) the set is kept in memory only.
    """

    def __init__(self, limit: int, directory: Path | None = None) -> None:
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self._limit = limit
        self._path = directory / ORGANIZATIONS_FILE if directory is not None else None
        self._chosen: set[str] = set()
        self._load()

    def label(self, org_id: str) -> str:
        """``org_id`` itself or ``other``."""
        if org_id in self._chosen:
            return org_id
        if len(self._chosen) >= self._limit or not org_id or not org_id.isprintable():
            return OTHER
        self._claim(org_id)
        return org_id if org_id in self._chosen else OTHER

    def _claim(self, org_id: str) -> None:
        if self._path is None:
            self._chosen.add(org_id)
            return
        self._load()
        if org_id in self._chosen or len(self._chosen) >= self._limit:
            return
        # The leading newline keeps a line apart from what a process that died inside a write may have left.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"\n{org_id}\n".encode())
        finally:
            os.close(descriptor)
        self._load()

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            text = self._path.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return
        self._chosen = set(_first_distinct(text.split("\n"), self._limit))


def _first_distinct(lines: Iterable[str], limit: int) -> Iterator[str]:
    seen: set[str] = set()
    for line in lines:
        if line and line not in seen and len(seen) < limit:
            seen.add(line)
            yield line


def _listed(*values: str) -> str:
    """Values as a list in Markdown."""
    return ", ".join(f"`{value}`" for value in values)


# What each label of our metrics may hold, for the documentation.
MEANINGS: dict[str, str] = {
    "org": f"organization id; `{OTHER}` beyond `metrics.max_organizations` of them on the node",
    "model": f"id of a configured model; {_listed(*sorted(SPEECH_SERVICES))} for speech requests; `{UNKNOWN}` for anything else",
    "edge": _listed(*sorted(EDGES), OTHER),
    "code": f"{_listed(OK, CANCELLED, *sorted(error_codes()))}; `{OTHER}` for anything else",
    "kind": f"of tokens: {_listed(*TOKEN_KINDS)}; of cached tokens as routers see them: {_listed(*sorted(PREDICTIONS))}; "
    f"of cache events: {_listed(*sorted(KV_EVENTS))}; of realtime sessions: {_listed(*sorted(SESSION_KINDS))}; of jobs: what the "
    "cluster has a handler for",
    "state": f"of jobs that are not finished: {_listed(*JOB_STATES)}",
    "stage": f"from the end of a user's speech on: {_listed(*sorted(REALTIME_STAGES))}",
    "surface": f"where speech was asked for: {_listed(*sorted(SPEECH_SURFACES))}",
    "event": _listed(*sorted(REALTIME_EVENTS)),
    "work": _listed(*sorted(SPEECH_WORK)),
    "front_end": f"what writes a stream: {_listed(*sorted(FRONT_ENDS))}",
    "outcome": f"of routing: {_listed(*sorted(AFFINITIES))}; of a connection: {_listed(*sorted(CONNECTION_OUTCOMES))}; "
    f"of missing cache events: {_listed(*sorted(KV_FEED_OUTCOMES))}; of a completion to store: {_listed(*sorted(STORE_OUTCOMES))}; "
    f"of a job's run: {_listed(*sorted(JOB_OUTCOMES))}",
    "reason": f"of a retry: {_listed(*sorted(RETRY_REASONS), OTHER)}; of a refused key: {_listed(*sorted(AUTH_REASONS), OTHER)}; "
    f"of a channel's end: {_listed(*sorted(CHANNEL_END_REASONS), OTHER)}; of a deleted file: {_listed(*sorted(SWEEP_REASONS))}",
    "direction": f"as a gateway sees it: {_listed(*sorted(DIRECTIONS))}",
    "phase": _listed(*sorted(COLD_START_PHASES), OTHER),
    "version": "version of Ossature",
    "python": "version of Python",
    "ray": "version of Ray",
    "vllm": "version of vLLM, empty where it is not installed",
}
