"""One record a request: metrics and the usage ledger, written before the answer ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cluster.engine.contract import EngineTiming, EngineUsage
from cluster.errors import OssatureError, first_count
from cluster.identity.principal import Principal
from cluster.inference.request_trace import RequestTrace
from cluster.inference.usage import Usage
from cluster.routing.ticket import Answer, RouteTicket
from cluster.telemetry import labels

#: Status of a request whose client went away before the answer was complete: nginx's, HTTP has none.
CLIENT_GONE_STATUS = 499


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """What is known of a finished request. ``model`` is one of the cluster's; ``asked_model`` the tuned one on top of it, where

    that was asked for, else the same. ``code``: ``ok``, ``cancelled`` or the error's (``telemetry.labels``). Times in seconds.

    Token counts of an answer that was cut short are those known by then: the engine tells usage only with the last frame.
    """

    request_id: str
    principal: Principal
    model: str
    asked_model: str
    edge: str
    code: str
    status: int
    exact: EngineUsage | None
    shown: Usage | None
    timing: EngineTiming | None
    ticket: RouteTicket | None
    started_unix_s: float
    duration_s: float
    tpot_s: float | None


class Recorder(Protocol):
    """Where records go."""

    def started(self, principal: Principal, model: str, edge: str) -> None: ...

    def routed(self, model: str, ticket: RouteTicket) -> None: ...

    def retried(self, model: str, reason: str) -> None: ...

    def first_token(self, model: str, edge: str, seconds: float) -> None: ...

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
        trace: RequestTrace | None = None,
        monotonic: Callable[[], float] = time.perf_counter,
        unix: Callable[[], float] = time.time,
    ) -> None:
        """``trace``: of a request that is traced."""
        self._recorder = recorder
        self._trace = trace
        self._principal, self._model, self._edge, self._request_id = principal, model, edge, request_id
        self._monotonic = monotonic
        #: What the ledger calls the model. Metrics know the cluster's models only.
        self.asked_model = model
        self._started_unix_s = unix()
        self._started = monotonic()
        self._first_token: float | None = None
        self._done = False
        self.ticket: RouteTicket | None = None
        recorder.started(principal, model, edge)

    # AttemptObserver
    def attempted(self) -> str | None:
        return None if self._trace is None else self._trace.attempted()

    def routed(self, ticket: RouteTicket) -> None:
        # The first frame is here. A ticket of an attempt that failed before has been given back already.
        self.ticket = ticket
        ticket.first_token()
        self._recorder.routed(self._model, ticket)
        if self._trace is not None:
            self._trace.routed(ticket)

    def retried(self, reason: str) -> None:
        self._recorder.retried(self._model, reason)
        if self._trace is not None:
            self._trace.lost(reason)

    def first_token(self) -> None:
        """The first piece of a streamed answer is here."""
        self._first_token = self._monotonic()
        self._recorder.first_token(self._model, self._edge, self._first_token - self._started)

    async def completed(self, exact: EngineUsage, shown: Usage, timing: EngineTiming | None) -> None:
        """The answer is complete."""
        await self._finish(labels.OK, 200, exact, shown, timing)

    async def failed(self, error: BaseException) -> None:
        """The request ended with ``error``; a cancelled task means that its client went away."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            await self.cancelled()
        else:
            first_count(error)
            status = error.status if isinstance(error, OssatureError) else 500
            await self._finish(labels.code_of(error), status)

    async def cancelled(self) -> None:
        """The client went away."""
        await self._finish(labels.CANCELLED, CLIENT_GONE_STATUS)

    async def _finish(
        self,
        code: str,
        status: int,
        exact: EngineUsage | None = None,
        shown: Usage | None = None,
        timing: EngineTiming | None = None,
    ) -> None:
        if self._done:
            return
        self._done = True
        now = self._monotonic()
        if self.ticket is not None:
            decode_s = now - self._first_token if self._first_token is not None else None
            self.ticket.finished(_routing_answer(exact, timing, decode_s))
        tpot_s = None
        if self._first_token is not None and exact is not None and exact.completion_tokens > 1:
            tpot_s = (now - self._first_token) / (exact.completion_tokens - 1)
        record = RequestRecord(
            request_id=self._request_id,
            principal=self._principal,
            model=self._model,
            asked_model=self.asked_model,
            edge=self._edge,
            code=code,
            status=status,
            exact=exact,
            shown=shown,
            timing=timing,
            ticket=self.ticket,
            started_unix_s=self._started_unix_s,
            duration_s=now - self._started,
            tpot_s=tpot_s,
        )
        try:
            await self._recorder.finished(record)
        finally:
            if self._trace is not None:
                self._trace.ended(record)


def _routing_answer(exact: EngineUsage | None, timing: EngineTiming | None, decode_s: float | None) -> Answer | None:
    """What the router learns from: the engine's exact counts, and its times if it gives any."""
    if exact is None:
        return None
    return Answer(
        prompt_tokens=exact.prompt_tokens,
        cached_tokens=exact.cached_tokens,
        queue_s=timing.queue_s if timing is not None else None,
        prefill_s=timing.prefill_s if timing is not None else None,
        completion_tokens=exact.completion_tokens,
        decode_s=decode_s,
    )
