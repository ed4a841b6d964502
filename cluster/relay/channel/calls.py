"""Requests that come over a channel instead of by a handle call: the replica's part.

Ray Serve is not left out. A call enters the replica by the gate that a handle's call comes to, so Serve counts it, holds it to
``max_ongoing_requests``, waits for it when the replica drains and turns it away once it has drained. What is spared is the way
there: a handle's queues and tasks, two serializations and a gRPC stream for each request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from cluster.relay.channel.framing import ProtocolViolation
from cluster.relay.channel.messages import Call, Declined, Taken
from cluster.relay.channel.replica_end import ReplicaChannel
from cluster.relay.channel.reply import Reply
from cluster.routing.ticket import ArrivedTicket

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """The gate's word on a call. ``ongoing``: requests that the replica has, this one counted if it was accepted."""

    accepted: bool
    ongoing: int


class Gate(Protocol):
    """How a call gets into this replica."""

    def enter(self, reply: Reply, ticket: ArrivedTicket) -> AsyncGenerator[Admission, None]:
        """Yields one :class:`Admission`; if the call was accepted it then lasts until the request is answered.

        Raises what answering has raised. Cancelling the task that iterates aborts the request.
        """
        ...


class Calls:
    """All calls that came over the channels of one replica. ``max_request_bytes``: of a request's body."""

    def __init__(self, gate: Gate, max_request_bytes: int) -> None:
        self._gate = gate
        self._max_request_bytes = max_request_bytes
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, channel: ReplicaChannel, call: Call) -> None:
        """Begin to answer ``call``, in a task of its own. Raises ``ProtocolViolation`` for one that may not be made."""
        if call.body_bytes > self._max_request_bytes:
            raise ProtocolViolation(f"a request of {call.body_bytes} bytes; at most {self._max_request_bytes} are allowed")
        outbox = channel.open(call.stream, call.window_bytes, call.body_bytes, lambda: task.cancel())
        reply = Reply(channel, outbox, call.request, call.body_bytes)
        task = asyncio.get_running_loop().create_task(self._answer(reply, call.ticket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Not in the task: one that is cancelled before its first turn runs none of its lines.
        task.add_done_callback(lambda _: reply.close())

    async def close(self) -> None:
        """Abort what is left. Idempotent."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _answer(self, reply: Reply, ticket: ArrivedTicket) -> None:
        channel, stream = reply.channel, reply.outbox.stream
        try:
            async with aclosing(self._gate.enter(reply, ticket)) as entered:
                admission = await anext(entered)
                if not admission.accepted:
                    reply.outbox.ended = True
                    channel.send(Declined(stream, admission.ongoing))
                    return
                channel.send(Taken(stream, admission.ongoing))
                async for _ in entered:
                    pass
        except Exception:
            # The gateway has been told by then that there will be no last frame.
            answer_id = reply.request.request_id
            logger.exception("request %s failed in its engine replica", answer_id, extra={"answer_id": answer_id})
