"""Keeps completions: takes an answer as it ends, has it written beside the request's row of the ledger, tells what became of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from cluster.completions.capture import Asked, Capture, TooLarge
from cluster.completions.stored_usage import StoredUsage
from cluster.config.settings.storage import StoredCompletionsSettings
from cluster.errors import StoreUnavailable
from cluster.identity.principal import Principal
from cluster.store.group_commit import GroupCommit, Write
from cluster.telemetry import labels

logger = logging.getLogger(__name__)

LARGE_BYTES = 256 << 10
"""Larger captures have a writer of their own, so that the ledger's rows, which every answer waits for, don't wait for them."""


class KeeperMetrics(Protocol):
    """Told of each completion that was to be stored: ``outcome`` is one of ``labels.STORE_OUTCOMES``."""

    def completion_stored(self, outcome: str, waited_s: float) -> None: ...


@dataclass(frozen=True, slots=True)
class NotStored:
    """Why an answer was not kept, as its client is told: in the answer, which is whole and valid all the same."""

    code: str
    message: str

    def to_json(self) -> bytes:
        """One entry of an answer's ``warnings``."""
        return msgspec.json.encode({"code": self.code, "message": self.message, "param": "store"})


_QUOTA = NotStored("stored_completions_quota_exceeded", "The answer was not stored: the organization's quota is used up.")
_TOO_LARGE = NotStored("stored_completion_too_large", "The answer was not stored: request and answer are larger than what is kept.")
_BUSY = NotStored("store_overloaded", "The answer was not stored: too many others were waiting to be.")
_UNAVAILABLE = NotStored("store_unavailable", "The answer was not stored: the cluster's database is unavailable.")
_LATE = NotStored("store_timeout", "The answer may not be stored: the cluster's database did not confirm it in time.")

_OUTCOMES = {
    _QUOTA: labels.STORE_QUOTA,
    _TOO_LARGE: labels.STORE_TOO_LARGE,
    _BUSY: labels.STORE_OVERLOADED,
    _UNAVAILABLE: labels.STORE_UNAVAILABLE,
    _LATE: labels.STORE_TIMEOUT,
}


class Kept:
    """A completion on its way to the disk."""

    def __init__(
        self, completion_id: str, outcome: asyncio.Future[None] | NotStored, timeout_s: float, metrics: KeeperMetrics
    ) -> None:
        self._id = completion_id
        self._outcome = outcome
        self._timeout_s = timeout_s
        self._metrics = metrics

    async def outcome(self) -> NotStored | None:
        """``None`` when it is on disk; the answer must not end before. To be called once."""
        began = time.perf_counter()
        try:
            problem = await self._problem()
        except asyncio.CancelledError:
            # The client went away. Its answer was whole, and is kept or not all the same.
            if not isinstance(self._outcome, NotStored):
                self._outcome.add_done_callback(lambda ended: self._count(_problem_of(ended), 0.0))
            raise
        self._count(problem, time.perf_counter() - began)
        return problem

    def _count(self, problem: NotStored | None, waited_s: float) -> None:
        self._metrics.completion_stored(labels.STORED if problem is None else _OUTCOMES[problem], waited_s)
        if problem is not None:
            logger.warning("completion %s was not stored: %s", self._id, problem.code)

    async def _problem(self) -> NotStored | None:
        if isinstance(self._outcome, NotStored):
            return self._outcome
        try:
            async with asyncio.timeout(self._timeout_s):
                # The writer writes it in any case: what it says later is only not heard any more.
                await asyncio.wait([self._outcome])
        except TimeoutError:
            return _LATE
        return _problem_of(self._outcome)


def _problem_of(ended: asyncio.Future[None]) -> NotStored | None:
    error = ended.exception()
    if error is None:
        return None
    return _TOO_LARGE if isinstance(error, TooLarge) else _UNAVAILABLE


class CompletionKeeper:
    """One a gateway. ``commits`` writes small completions, in the ledger's transactions; ``large_commits`` the others."""

    def __init__(
        self,
        commits: GroupCommit,
        large_commits: GroupCommit,
        usage: StoredUsage,
        settings: StoredCompletionsSettings,
        metrics: KeeperMetrics,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._commits = commits
        self._large_commits = large_commits
        self._usage = usage
        self._settings = settings
        self._metrics = metrics
        self._now = now
        self._waiting_bytes = 0

    @property
    def max_stream_bytes(self) -> int:
        """How much of a stream is remembered to be kept: chunks carry many times the text that is in them."""
        return 4 * self._settings.max_completion_bytes

    def keep(
        self,
        principal: Principal,
        *,
        completion_id: str,
        request_id: str,
        model: str,
        asked: Asked,
        answer: bytes | list[bytes] | None,
        usage: bytes,
    ) -> Kept:
        """Queue a finished answer for writing. Never waits, never raises.

        ``answer``: the whole body, or a stream's chunks; ``None`` if there was too much of it to be remembered.
        """
        return Kept(
            completion_id,
            self._submit(principal, completion_id, request_id, model, asked, answer, usage),
            self._settings.commit_timeout_s,
            self._metrics,
        )

    def _submit(
        self,
        principal: Principal,
        completion_id: str,
        request_id: str,
        model: str,
        asked: Asked,
        answer: bytes | list[bytes] | None,
        usage: bytes,
    ) -> asyncio.Future[None] | NotStored:
        if answer is None:
            return _TOO_LARGE
        if not self._usage.has_room(principal.org_id):
            return _QUOTA
        capture = Capture(
            id=completion_id,
            principal=principal,
            model=model,
            request_id=request_id,
            asked=asked,
            answer=answer,
            usage=usage,
            created_us=int(self._now() * 1_000_000),
            max_bytes=self._settings.max_completion_bytes,
            max_image_bytes=self._settings.max_image_bytes,
        )
        size_bytes = capture.size_bytes
        if self._waiting_bytes + size_bytes > self._settings.max_waiting_bytes:
            return _BUSY
        writer = self._commits if size_bytes <= LARGE_BYTES else self._large_commits
        try:
            written = writer.submit(Write("completion", capture.rows, size_bytes))
        except StoreUnavailable:
            return _UNAVAILABLE
        self._waiting_bytes += size_bytes

        def done(ended: asyncio.Future[None]) -> None:
            self._waiting_bytes -= size_bytes
            # Asking for the exception also says that it was seen, by whoever had stopped waiting.
            if not ended.cancelled() and ended.exception() is None:
                self._usage.added(principal.org_id, capture.written_bytes)

        written.add_done_callback(done)
        return written
