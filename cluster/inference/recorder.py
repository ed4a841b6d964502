"""Where request records go: Prometheus, the usage ledger, and one log line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from cluster.errors import StoreUnavailable
from cluster.identity.principal import Principal
from cluster.inference.accounting import RequestRecord
from cluster.routing import anchors
from cluster.routing.ticket import RouteTicket
from cluster.store.ledger import LedgerEntry, Outcome, UsageLedger
from cluster.telemetry import labels
from cluster.telemetry.metrics import GatewayMetrics

logger = logging.getLogger(__name__)

_OUTCOMES = {labels.OK: Outcome.COMPLETED, labels.CANCELLED: Outcome.CANCELLED}


class ClusterRecorder:
    """Implements :class:`~cluster.inference.accounting.Recorder`."""

    def __init__(self, metrics: GatewayMetrics, ledger: UsageLedger, remembered_blocks: Callable[[str], int]) -> None:
        """``remembered_blocks``: how many of a model's prompts the planner remembers now."""
        self._remembered_blocks = remembered_blocks
        self._metrics = metrics
        self._ledger = ledger

    def started(self, principal: Principal, model: str, edge: str) -> None:
        self._metrics.request_started(principal.org_id, model, edge)

    def routed(self, model: str, ticket: RouteTicket) -> None:
        estimate = ticket.estimate
        forced_off = estimate is not None and estimate.forced_off
        self._metrics.routed(model, ticket.affinity, ticket.rank, ticket.decision_s, forced_off=forced_off)
        if estimate is not None:
            blocks = self._remembered_blocks(model)
            size_bytes = estimate.memory_bytes + blocks * anchors.ENTRY_BYTES
            self._metrics.routing_memory(model, entries=estimate.memory_entries + blocks, size_bytes=size_bytes)

    def retried(self, model: str, reason: str) -> None:
        self._metrics.retried(model, reason)

    def first_token(self, model: str, edge: str, seconds: float) -> None:
        self._metrics.first_token(model, edge, seconds)

    async def finished(self, record: RequestRecord) -> None:
        shown_cached_tokens = record.shown.cached_tokens if record.shown is not None else 0
        self._metrics.request_finished(
            record.principal.org_id,
            record.model,
            record.edge,
            record.code,
            duration_s=record.duration_s,
            usage=record.exact,
            shown_cached_tokens=shown_cached_tokens,
            tpot_s=record.tpot_s,
            queue_s=record.timing.queue_s if record.timing is not None else None,
        )
        if record.exact is not None and record.ticket is not None and record.ticket.anchor and record.ticket.estimate is not None:
            self._metrics.cached_tokens(
                record.model, predicted=record.ticket.estimate.cached_tokens, actual=record.exact.cached_tokens
            )
        if record.code == labels.CANCELLED:
            self._metrics.client_gone(record.edge)
        logger.info(
            "request %s: %s on %s by %s (%s), %.3f s",
            record.request_id,
            record.code,
            record.asked_model,
            record.principal.org_id,
            record.ticket.replica_id if record.ticket is not None else "no replica",
            record.duration_s,
            extra={
                "answer_id": record.request_id,
                # Of a request that a job makes nothing else in the line would say it.
                "org_id": record.principal.org_id,
                "engine_replica": record.ticket.replica_id if record.ticket is not None else None,
                "edge": record.edge,
            },
        )
        began = time.perf_counter()
        try:
            await self._ledger.record(_entry(record, shown_cached_tokens))
        except StoreUnavailable:
            # The answer is worth more than its bookkeeping. The ledger tries again; should this process end before, it is here.
            logger.warning("the usage ledger can't be written now: %r", _entry(record, shown_cached_tokens))
        else:
            self._metrics.ledger_written(time.perf_counter() - began)


def _entry(record: RequestRecord, shown_cached_tokens: int) -> LedgerEntry:
    exact = record.exact
    return LedgerEntry(
        request_id=record.request_id,
        org_id=record.principal.org_id,
        project_id=record.principal.project_id,
        key_id=record.principal.key_id,
        model=record.asked_model,
        edge=record.edge,
        prompt_tokens=exact.prompt_tokens if exact else 0,
        completion_tokens=exact.completion_tokens if exact else 0,
        cached_tokens=exact.cached_tokens if exact else 0,
        shown_cached_tokens=shown_cached_tokens,
        status=record.status,
        outcome=_OUTCOMES.get(record.code, Outcome.FAILED),
        started_at=record.started_unix_s,
        duration_s=record.duration_s,
    )
