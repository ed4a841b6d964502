"""From a planned request to its first frame, with the one retry that the failure rules allow.

No byte has reached the client before the first frame, so a replica that is lost until then may be replaced by the next one of the
same order. After it, a loss ends the answer.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from cluster.engine.contract import EngineRequest, FaultKind, Frame
from cluster.errors import DeadlineExceeded, EngineFailed, Overloaded
from cluster.inference.deadline import Deadline
from cluster.relay.contract import EngineStream, NoCapacity, Relay, ReplicaLost
from cluster.routing.ticket import RouteTicket

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 2
_RETRY_AFTER_S = 1.0


class AttemptObserver(Protocol):
    """Told of each attempt, each decision and each retry, for metrics and traces."""

    def attempted(self) -> str | None:
        """A request is about to be sent; what goes along as its ``trace``."""
        ...

    def routed(self, ticket: RouteTicket) -> None: ...

    def retried(self, reason: str) -> None: ...


@dataclass(slots=True)
class Opened:
    """A stream whose first frame is here. ``frames`` yields the rest."""

    stream: EngineStream
    frames: AsyncIterator[Frame]
    first: Frame


async def open_answer(
    relay: Relay,
    model: str,
    request: EngineRequest,
    new_ticket: Callable[[frozenset[str]], RouteTicket],
    deadline: Deadline,
    observer: AttemptObserver,
) -> tuple[Opened, RouteTicket]:
    """Send the request and wait for its first frame.

    ``new_ticket`` makes a ticket that excludes the given replicas.
    Raises ``Overloaded`` without capacity, ``DeadlineExceeded``, or ``EngineFailed`` when the retry was lost as well.
    """
    excluded: frozenset[str] = frozenset()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        ticket = new_ticket(excluded)
        if (trace := observer.attempted()) is not None:
            request = msgspec.structs.replace(request, trace=trace)
        stream = relay.open(model, request, ticket)
        frames = aiter(stream)
        answered = False
        try:
            with deadline:
                first = await anext(frames)
            answered = True
        except NoCapacity:
            raise Overloaded(
                f"The model {model!r} has no free capacity now. Please retry later.", retry_after_s=_RETRY_AFTER_S
            ) from None
        except TimeoutError:
            await stream.cancel()
            raise DeadlineExceeded("The request's deadline passed before its first token.") from None
        except ReplicaLost as lost:
            reason: str = "replica_lost"
            detail = str(lost)
        except BaseException:
            await stream.cancel()
            raise
        finally:
            if not answered:
                ticket.finished(None)
        if answered:
            observer.routed(ticket)
            if first.fault is None or first.fault.kind is not FaultKind.ENGINE_DEAD:
                return Opened(stream, frames, first), ticket
            ticket.finished(None)
            reason, detail = "engine_dead", first.fault.message
        logger.warning(
            "request %s: attempt %d on replica %s lost before its first token (%s: %s)",
            request.request_id,
            attempt,
            ticket.replica_id,
            reason,
            detail,
            extra={"answer_id": request.request_id, "engine_replica": ticket.replica_id},
        )
        if ticket.replica_id is not None:
            excluded |= {ticket.replica_id}
        if attempt < MAX_ATTEMPTS:
            observer.retried(reason)
    raise EngineFailed("The replicas that served this request stopped. Please retry.")
