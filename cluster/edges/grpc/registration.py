"""Which services a gRPC server has. Ray Serve calls ``add_services`` in every process that runs one of its servers."""

from __future__ import annotations

from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2

from cluster.edges.grpc.generated.ossature.realtime.v1 import realtime_pb2
from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, evals_pb2, fine_tuning_pb2, models_pb2, stored_completions_pb2
from cluster.edges.grpc.handlers import ServiceHandler

HEALTH_SERVICE: ServiceDescriptor = health_pb2.DESCRIPTOR.services_by_name["Health"]
API_SERVICES: tuple[ServiceDescriptor, ...] = (
    chat_pb2.DESCRIPTOR.services_by_name["ChatService"],
    models_pb2.DESCRIPTOR.services_by_name["ModelService"],
    stored_completions_pb2.DESCRIPTOR.services_by_name["StoredCompletionService"],
    evals_pb2.DESCRIPTOR.services_by_name["EvalService"],
    fine_tuning_pb2.DESCRIPTOR.services_by_name["FineTuningService"],
    realtime_pb2.DESCRIPTOR.services_by_name["RealtimeService"],
)
SERVICES: tuple[ServiceDescriptor, ...] = (*API_SERVICES, HEALTH_SERVICE)
SERVICE_NAMES: tuple[str, ...] = tuple(service.full_name for service in SERVICES)

SERVICER_FUNCTIONS: tuple[str, ...] = (f"{__name__}.add_services",)
"""For ``ray.serve.config.gRPCOptions(grpc_servicer_functions=[...])``."""


class HandlerRegistry(Protocol):
    """What is needed of a server, Serve's or grpc.aio's."""

    def add_generic_rpc_handlers(self, generic_rpc_handlers: tuple[grpc.GenericRpcHandler[Any, Any], ...]) -> None: ...


def add_services(servicer: object, server: HandlerRegistry) -> None:
    """Add all services to a server. ``servicer`` has their methods, as :class:`~cluster.edges.grpc.servicer.GrpcEdge` does."""
    for service in SERVICES:
        # One call a service: Serve looks at the first handler of each call only.
        server.add_generic_rpc_handlers((ServiceHandler(service, servicer),))
