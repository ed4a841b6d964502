"""One record a request: metrics and the usage ledger, written before the answer ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cluster.engine.contract import EngineTiming, EngineUsage
from cluster.identity.principal import Principal
from cluster.inference.usage import Usage
from cluster.routing.ticket import RouteTicket

logger = logging.getLogger(__name__)

#: Outcome of a request whose client went away; nginx's name for it, no HTTP status of its own.
CLIENT_GONE = "client_gone"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """What is known of a finished request. ``outcome``: ``ok``, an error code, or ``client_gone``. Times in seconds.

    Token counts of an answer that was cut short are those known by then: the engine tells usage only with the last frame.
    """

    request_id: str
    principal: Principal
    model: str
    edge: str
    outcome: str
    status: int
    exact: EngineUsage | None
    shown: Usage | None
    timing: EngineTiming | None
    ticket: RouteTicket | None
    started_unix_s: float
    duration_s: float
    ttft_s: float | None
    tpot_s: float | None


class Recorder(Protocol):
    """Where records go."""

    def started(self, principal: Principal, model: str, edge: str) -> None: ...

    def routed(self, model: str, ticket: RouteTicket) -> None: ...

    def retried(self, model: str, reason: str) -> None: ...

    async def finished(self, record: RequestRecord) -> None:
        """Returns when the record is durable. Must not raise: an answer is not lost for its bookkeeping."""
        ...


class RequestMeter:
    """Clocks one request and hands its record over exactly once."""

    def __init__(
        self,
        recorder: Recorder,
        principal: Principal,
        model: str,
        edge: str,
        request_id: str,
        monotonic: Callable[[], float] = time.perf_counter,
        unix: Callable[[], float] = time.time,
    ) -> None:
        self._recorder = recorder
        self._principal, self._model, self._edge, self._request_id = principal, model, edge, request_id
        self._monotonic = monotonic
        self._started_unix_s = unix()
        self._started = monotonic()
        self._first_token: float | None = None
        self._done = False
        self.ticket: RouteTicket | None = None
        recorder.started(principal, model, edge)

    # AttemptObserver
    def routed(self, ticket: RouteTicket) -> None:
        self.ticket = ticket
        self._recorder.routed(self._model, ticket)

    def retried(self, reason: str) -> None:
        self._recorder.retried(self._model, reason)

    def first_token(self) -> None:
        self._first_token = self._monotonic()

    async def finish(
        self,
        outcome: str,
        status: int,
        exact: EngineUsage | None = None,
        shown: Usage | None = None,
        timing: EngineTiming | None = None,
    ) -> None:
        if self._done:
            return
        self._done = True
        now = self._monotonic()
        ttft_s = tpot_s = None
        if self._first_token is not None:
            ttft_s = self._first_token - self._started
            if exact is not None and exact.completion_tokens > 1:
                tpot_s = (now - self._first_token) / (exact.completion_tokens - 1)
        await self._recorder.finished(
            RequestRecord(
                request_id=self._request_id,
                principal=self._principal,
                model=self._model,
                edge=self._edge,
                outcome=outcome,
                status=status,
                exact=exact,
                shown=shown,
                timing=timing,
                ticket=self.ticket,
                started_unix_s=self._started_unix_s,
                duration_s=now - self._started,
                ttft_s=ttft_s,
                tpot_s=tpot_s,
            )
        )
