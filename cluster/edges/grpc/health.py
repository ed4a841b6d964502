"""``grpc.health.v1``: whether this gateway takes requests, for load balancers, probes and gRPC clients that watch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from time import monotonic

from grpc_health.v1 import health_pb2

from cluster.edges.grpc.registration import SERVICE_NAMES
from cluster.errors import NotFound

_OVERALL = ""
_KNOWN = frozenset((_OVERALL, *SERVICE_NAMES))
_Serving = health_pb2.HealthCheckResponse.ServingStatus


class Health:
    """Answers for the whole gateway (service name ``""``) and its services; they are ready together.

    ``poll_s``: how often a watched status is looked at, in seconds. ``watch_s``: longest life of a watch, in seconds; clients
    then watch again. An endless one would hold a draining replica until its shutdown timeout.
    """

    def __init__(self, readiness: Callable[[], bool], *, poll_s: float = 0.5, watch_s: float = 60.0) -> None:
        self._readiness = readiness
        self._poll_s = poll_s
        self._watch_s = watch_s

    def check(self, service: str) -> health_pb2.HealthCheckResponse:
        """Raises ``NotFound`` for a service that does not exist, as the protocol wants it."""
        if service not in _KNOWN:
            raise NotFound(f"There is no service '{service[:100]}'.", code="service_not_found")
        return health_pb2.HealthCheckResponse(status=self._status())

    def list(self) -> health_pb2.HealthListResponse:
        status = health_pb2.HealthCheckResponse(status=self._status())
        return health_pb2.HealthListResponse(statuses=dict.fromkeys(sorted(_KNOWN), status))

    async def watch(self, service: str) -> AsyncGenerator[health_pb2.HealthCheckResponse, None]:
        """The status at once, then every change of it. A service that does not exist is reported as unknown, not refused."""
        end = monotonic() + self._watch_s
        sent: int | None = None
        while monotonic() < end:
            status = self._status() if service in _KNOWN else _Serving.SERVICE_UNKNOWN
            if status != sent:
                sent = status
                yield health_pb2.HealthCheckResponse(status=status)
            await asyncio.sleep(self._poll_s)

    def _status(self) -> int:
        return int(_Serving.SERVING if self._readiness() else _Serving.NOT_SERVING)
