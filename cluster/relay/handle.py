"""The relay over Ray Serve's streaming handle.

The engine replica coalesces (first frame at once, then whatever has piled up), so that one item crosses the wire for as many tokens
as the consumer was behind. Nothing is buffered here: an item is read when the edge asks for one, HTTP/2 flow control holds the
replica back when it does not, and the replica stops pulling from its engine at ``relay.max_buffered_bytes``.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Mapping

import msgspec
from ray.exceptions import RayActorError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentHandle

from cluster.engine.contract import EngineRequest, Frame
from cluster.relay.contract import NoCapacity, ReplicaLost
from cluster.routing.ticket import RouteTicket

logger = logging.getLogger(__name__)


class HandleStream:
    """One outstanding streaming call."""

    def __init__(self, handle: DeploymentHandle, request: EngineRequest, ticket: RouteTicket) -> None:
        self._request_id = request.request_id
        self._decoder = msgspec.msgpack.Decoder(Frame)
        # In a context of its own: Serve tells the calls of one incoming request apart by an id that they share, and a second call
        # at the same time (a retry while the first is still being cancelled) would wait for ever.
        self._response = contextvars.Context().run(handle.stream.remote, request, ticket=ticket)
        self._ended = False

    async def __aiter__(self) -> AsyncIterator[Frame]:
        try:
            async for item in self._response:
                frame = self._decoder.decode(item)
                self._ended = frame.last
                yield frame
        except (BackPressureError, DeploymentUnavailableError) as error:
            self._ended = True
            raise NoCapacity(str(error)) from error
        except (asyncio.CancelledError, RequestCancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # Our own cancellation, or our deadline. Taken for a lost replica, it would be retried.
                raise asyncio.CancelledError from error
            self._ended = True
            raise ReplicaLost("the call was cancelled on the replica's side") from error
        except (RayActorError, RayServeException) as error:
            self._ended = True
            raise ReplicaLost(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            # Serve raises here whatever the replica's code raised, with its own type: a defect there, or a transport error.
            self._ended = True
            logger.exception("request %s failed in its engine replica", self._request_id)
            raise ReplicaLost(f"the engine replica failed ({type(error).__name__})") from None
        if not self._ended:
            self._ended = True
            raise ReplicaLost("the engine replica ended the stream without a last frame")

    async def cancel(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._response.cancel()
        # Serve's own cancel looks only at results that it has stored already; one that was assigned in this very turn of the loop
        # would go on to its end.
        assignment = self._response._replica_result_future
        if assignment.done() and not assignment.cancelled() and assignment.exception() is None:
            assignment.result().cancel()


class HandleRelay:
    """Opens streams on the deployments of the cluster's models."""

    def __init__(self, handles: Mapping[str, DeploymentHandle]) -> None:
        """``handles``: one deployment handle for each model id."""
        self._handles = {model: handle.options(stream=True) for model, handle in handles.items()}

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> HandleStream:
        return HandleStream(self._handles[model], request, ticket)
