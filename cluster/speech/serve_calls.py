"""Calls to the speech deployment through Ray Serve, and the router that takes the calls of an utterance to its replica."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException, RequestCancelledError
from ray.serve.handle import DeploymentHandle
from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from cluster.errors import OssatureError, Overloaded
from cluster.relay import serve_call
from cluster.speech.errors import SpeechFailed
from cluster.speech.serve_ticket import SpeechTicket


class SpeechRouter(RequestRouter):  # type: ignore[misc]  # Ray ships no types
    """The replica that the call's ``ticket`` names; without one, the shortest queue. Writes into the ticket which it was."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        if pending_request is not None:
            # Without it Serve asks again at once, for as long as all replicas are full.
            pending_request.routing_context.should_backoff = True
            ticket = _ticket_of(pending_request)
            if ticket is not None and ticket.replica_id is not None:
                named = [replica for replica in candidate_replicas if replica.replica_id.unique_id == ticket.replica_id]
                if named:
                    return [named]
                # Gone: any other one will say so.
        return [list(candidate_replicas)]

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any) -> None:
        ticket = _ticket_of(pending_request)
        if ticket is not None:
            ticket.replica_id = replica_id.unique_id


def _ticket_of(pending_request: PendingRequest) -> SpeechTicket | None:
    ticket = pending_request.kwargs.get("ticket")
    return ticket if isinstance(ticket, SpeechTicket) else None


class ServeSpeechCalls:
    """Implements :class:`~cluster.speech.remote.SpeechCalls`."""

    _STREAMED = ("speak", "listen")
    _CALLED = ("abilities", "feed", "settle", "finish")

    def __init__(self, handle: DeploymentHandle) -> None:
        # With the methods named already: naming one makes a new handle each time.
        self._streamed = {name: handle.options(stream=True, method_name=name) for name in self._STREAMED}
        self._called = {name: handle.options(method_name=name) for name in self._CALLED}

    async def stream(self, method: str, *arguments: Any, ticket: SpeechTicket) -> AsyncGenerator[bytes, None]:
        response = serve_call.start(self._streamed[method].remote, *arguments, ticket=ticket)
        ended = False
        try:
            async for item in response:
                yield item
            ended = True
        except (Exception, asyncio.CancelledError) as error:
            ended = not _is_ours(error)
            if not ended:
                raise
            raise _translated(error) from error
        finally:
            if not ended:
                serve_call.cancel(response)

    async def call(self, method: str, *arguments: Any, ticket: SpeechTicket) -> bytes:
        try:
            item: bytes = await serve_call.start(self._called[method].remote, *arguments, ticket=ticket)
        except (Exception, asyncio.CancelledError) as error:
            if _is_ours(error):
                raise
            raise _translated(error) from error
        return item


def _is_ours(error: BaseException) -> bool:
    """Whether it is the cancellation of this very task, and not one on the replica's side."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError | RequestCancelledError) and task is not None and bool(task.cancelling())


def _translated(error: BaseException) -> OssatureError:
    if isinstance(error, BackPressureError | DeploymentUnavailableError):
        return Overloaded("no speech replica is free", code="speech_overloaded")
    if isinstance(error, RayActorError | RayServeException | asyncio.CancelledError):
        return SpeechFailed("the speech replica was lost", code="speech_failed")
    return SpeechFailed("the speech replica failed", code="speech_failed")
