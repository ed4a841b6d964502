"""The spans of one request inside a gateway: the request, each attempt on a replica, and the routing decision in that.

| Span      | From, to                                                                                              |
|-----------|-------------------------------------------------------------------------------------------------------|
| operation | the inside has the request; its record is written                                                     |
| `relay`   | an attempt begins; the answer ends, or the replica is lost. The engine's own spans go below           |
| `route`   | where the attempt began; for as long as all decisions about it took                                   |

Names of attributes are those of OpenTelemetry's conventions for generative AI where they have one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cluster.engine.contract import Operation
from cluster.identity.principal import Principal
from cluster.routing.ticket import RouteTicket
from cluster.telemetry import labels
from cluster.telemetry.tracing.span import NO_SPAN, Kind, Span

if TYPE_CHECKING:
    from cluster.inference.accounting import RequestRecord

_OPERATIONS = {Operation.CHAT: "chat", Operation.COMPLETION: "text_completion"}
_NOT_FAILURES = frozenset({labels.OK, labels.CANCELLED})


def operation_name(operation: Operation) -> str:
    """As OpenTelemetry calls it."""
    return _OPERATIONS[operation]


class RequestTrace:
    """Made for requests that are traced, and for no others. ``span`` is ended here."""

    def __init__(self, span: Span, principal: Principal, *, edge: str, answer_id: str, origin: str, operation: Operation) -> None:
        """``origin``: what the edge calls the request, or the job that asks."""
        self._span = span
        self._attempt = NO_SPAN
        self._attempts = 0
        self._attempted_ns = 0
        span.set(
            {
                "gen_ai.operation.name": operation_name(operation),
                "gen_ai.response.id": answer_id,
                "ossature.request_id": origin,
                "ossature.edge": edge,
                "ossature.org_id": principal.org_id,
                "ossature.project_id": principal.project_id,
            }
        )

    def attempted(self) -> str | None:
        """The request is about to be sent. What goes along, for the replica's spans."""
        self._attempts += 1
        self._attempted_ns = time.time_ns()
        self._attempt = self._span.child("relay", Kind.CLIENT, began_ns=self._attempted_ns)
        return self._attempt.traceparent

    def routed(self, ticket: RouteTicket) -> None:
        """The attempt's first frame is here, from the replica that the ticket names."""
        self._attempt.event("first frame")
        self._attempt.set({"ossature.replica_id": ticket.replica_id, "ossature.attempt": self._attempts})
        self._decided(ticket)

    def lost(self, reason: str) -> None:
        """The attempt came to nothing."""
        self._attempt.set({"ossature.attempt": self._attempts})
        self._attempt.failed(reason)
        self._attempt.end()

    def ended(self, record: RequestRecord) -> None:
        """The request has."""
        if record.code not in _NOT_FAILURES:
            self._attempt.failed(record.code)
            self._span.failed(record.code)
        exact, timing = record.exact, record.timing
        self._span.set(
            {
                "gen_ai.request.model": record.asked_model,
                "gen_ai.usage.input_tokens": exact.prompt_tokens if exact is not None else None,
                "gen_ai.usage.output_tokens": exact.completion_tokens if exact is not None else None,
                "ossature.cached_tokens": exact.cached_tokens if exact is not None else None,
                "ossature.reasoning_tokens": exact.reasoning_tokens if exact is not None else None,
                "ossature.queue_s": timing.queue_s if timing is not None else None,
                "ossature.prefill_s": timing.prefill_s if timing is not None else None,
                "ossature.code": record.code,
                "ossature.attempts": self._attempts,
            }
        )
        self._attempt.end()
        self._span.end()

    def _decided(self, ticket: RouteTicket) -> None:
        """The decision, once it is known. A router that Serve calls can't be given the span, so its time is laid out here."""
        decision = self._attempt.child("route", began_ns=self._attempted_ns)
        estimate = ticket.estimate
        decision.set(
            {
                "ossature.replica_id": ticket.replica_id,
                "ossature.route.affinity": ticket.affinity.value,
                "ossature.route.rank": ticket.rank,
                "ossature.route.excluded_replicas": len(ticket.excluded),
            }
        )
        if estimate is not None:
            decision.set(
                {
                    "ossature.route.prompt_tokens_expected": estimate.prompt_tokens,
                    "ossature.route.cached_tokens_expected": estimate.cached_tokens,
                    "ossature.route.cached_tokens_elsewhere": estimate.best_cached_tokens,
                    "ossature.route.wait_ms": estimate.wait_ms,
                    "ossature.route.prefill_ms": estimate.prefill_ms,
                    "ossature.route.load": estimate.load,
                    "ossature.route.forced_off": estimate.forced_off,
                    "ossature.route.told_by_engine": estimate.told,
                }
            )
        decision.end(self._attempted_ns + round(ticket.decision_s * 1e9))
