"""Ray Serve's streaming handle calls, as both relays use them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from typing import Any

from ray.exceptions import RayActorError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentResponseGenerator

from cluster.relay.channel.replica_end import ChannelUnavailable
from cluster.relay.contract import NoCapacity, ReplicaLost

logger = logging.getLogger(__name__)


def start(call: Callable[..., DeploymentResponseGenerator], *arguments: Any, **named: Any) -> DeploymentResponseGenerator:
    """Make a call in a context of its own.

    Serve tells the calls of one incoming request apart by an id that they share, and a second call at the same time (a retry while
    the first is still being cancelled) would wait for ever.
    """
    return contextvars.Context().run(call, *arguments, **named)


def cancel(response: DeploymentResponseGenerator) -> None:
    """Cancel a call, at whatever point it is."""
    response.cancel()
    # Serve's own cancel looks only at results that it has stored already; one that was assigned in this very turn of the loop
    # would go on to its end.
    assignment = response._replica_result_future
    if assignment.done() and not assignment.cancelled() and assignment.exception() is None:
        assignment.result().cancel()


def translated(error: BaseException, request_id: str) -> ReplicaLost | NoCapacity:
    """What a call that has failed with ``error`` means to whoever made it."""
    if isinstance(error, BackPressureError | DeploymentUnavailableError):
        return NoCapacity(str(error))
    if isinstance(error, asyncio.CancelledError | RequestCancelledError):
        return ReplicaLost("the call was cancelled on the replica's side")
    if isinstance(error, ChannelUnavailable):
        return ReplicaLost(str(error))
    if isinstance(error, RayActorError | RayServeException):
        return ReplicaLost(f"{type(error).__name__}: {error}")
    # Serve raises here whatever the replica's code raised, with its own type: a defect there, or a transport error.
    logger.error("request %s failed in its engine replica", request_id, exc_info=error, extra={"answer_id": request_id})
    return ReplicaLost(f"the engine replica failed ({type(error).__name__})")
