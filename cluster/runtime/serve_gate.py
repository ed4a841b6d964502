"""Ray Serve's entry of the replica that this process is, for calls that did not come by a handle."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ray._private.worker import global_worker
from ray.serve._private.common import ReplicaQueueLengthInfo, RequestMetadata

from cluster.relay.channel.calls import Admission
from cluster.relay.channel.reply import Reply
from cluster.routing.ticket import ArrivedTicket

#: Of the engine replica: what Serve is to run for a call that it has let in.
METHOD = "reply"


class ServeGate:
    """Implements :class:`~cluster.relay.channel.calls.Gate` with the method that Serve's own servers hand calls to."""

    def __init__(self, replica: Any) -> None:
        self._replica = replica

    @classmethod
    def of_this_process(cls) -> ServeGate | None:
        """``None`` where Serve runs the replica's code on an event loop of its own, apart from that of the gate."""
        replica = global_worker.actors[global_worker.actor_id]._replica_impl
        return None if replica._user_callable_wrapper._run_user_code_in_separate_thread else cls(replica)

    async def enter(self, reply: Reply, ticket: ArrivedTicket) -> AsyncGenerator[Admission, None]:
        request_id = reply.request.request_id
        metadata = RequestMetadata(
            request_id=request_id, internal_request_id=request_id, call_method=METHOD, is_streaming=True, _by_reference=False
        )
        async with aclosing(self._replica.handle_request_with_rejection(metadata, reply, ticket=ticket)) as items:
            async for item in items:
                if isinstance(item, ReplicaQueueLengthInfo):
                    yield Admission(item.accepted, item.num_ongoing_requests)
