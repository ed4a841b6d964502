"""What clients talk to: HTTP, gRPC, gateways, and how much they admit."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cluster.config.settings.section import Section

Port = Annotated[int, Field(ge=1, le=65535)]


class HttpSettings(Section):
    """The OpenAI-compatible HTTP edge."""

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. Anything but loopback must be asked for here, and needs a firewall or NetworkPolicy: "
        "the ports of Ray, of Serve's replicas (which unpickle what they are sent) and of HAProxy's statistics are then open too.",
    )
    port: Port = Field(8000, description="TCP port of the HTTP edge.")
    max_body_bytes: int = Field(32 << 20, ge=1024, description="Largest request body, in bytes; larger ones get 413.")
    max_json_depth: int = Field(64, ge=8, le=512, description="Deepest nesting of a JSON body.")
    write_timeout_s: float = Field(
        60.0,
        gt=0,
        description="Longest wait for a client to take a piece of its answer, in seconds; then its generation is aborted.",
    )
    body_timeout_s: float = Field(30.0, gt=0, description="Longest wait for a request body to arrive, in seconds.")
    keep_alive_s: float = Field(
        15.0,
        gt=0,
        description="A streamed answer of which nothing was sent for so many seconds (twice that at most) gets a comment line, so "
        "that no proxy or client takes it for dead.",
    )


class GrpcSettings(Section):
    """The gRPC edge. It listens on the HTTP edge's address."""

    enabled: bool = Field(True, description="Serve gRPC.")
    port: Port = Field(9000, description="TCP port of the gRPC edge.")
    reflection: bool = Field(True, description="Serve gRPC server reflection, which tells clients the API's shape.")
    write_timeout_s: float = Field(
        60.0,
        gt=0,
        description="Longest wait for a client to take a message of a stream, in seconds; then its generation is aborted.",
    )
    max_watches_per_organization: int = Field(
        100, ge=1, description="Jobs that one organization may watch at a time on one gateway."
    )


class GatewaySettings(Section):
    """The gateway deployment: edges, identity, routing."""

    replicas: int = Field(1, ge=1, description="Gateway replicas.")
    num_cpus: float = Field(0.1, ge=0, description="Logical CPUs that Ray reserves for one gateway.")
    resources: dict[str, float] = Field(
        default_factory=dict, description="Custom Ray resources for one gateway: binds gateways to the nodes that offer them."
    )
    max_ongoing_requests: int = Field(1000, ge=1, description="Requests that one gateway works on at a time.")
    graceful_shutdown_timeout_s: float = Field(
        600.0, ge=0, description="How long a gateway that is being replaced may finish its streams, in seconds."
    )


class AdmissionSettings(Section):
    """Limits that protect the cluster from one caller."""

    max_concurrent_requests_per_organization: int = Field(
        256, ge=1, description="Requests of one organization that one gateway works on at a time; more get 429."
    )
    request_timeout_s: float = Field(600.0, gt=0, description="Longest life of a request, in seconds.")
