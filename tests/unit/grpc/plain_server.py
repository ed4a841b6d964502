"""A plain grpc.aio server for the edge, without Ray Serve."""

from __future__ import annotations

import grpc.aio
from grpc_reflection.v1alpha import reflection

from cluster.edges.grpc.registration import SERVICE_NAMES, add_services
from cluster.edges.grpc.servicer import GrpcEdge


def build_server(edge: GrpcEdge, *, max_message_bytes: int, with_reflection: bool = True) -> grpc.aio.Server:
    """A server that is neither bound to a port nor started.

    ``max_message_bytes``: largest request in bytes; the transport refuses larger ones with ``RESOURCE_EXHAUSTED`` before it has
    buffered them.
    """
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", max_message_bytes)])
    add_services(edge, server)
    if with_reflection:
        reflection.enable_server_reflection((*SERVICE_NAMES, reflection.SERVICE_NAME), server)
    return server
