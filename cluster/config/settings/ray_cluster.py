"""Ray's part."""

from __future__ import annotations

from pydantic import Field

from cluster.config.settings.section import Section


class RaySettings(Section):
    """The Ray cluster underneath."""

    address: str | None = Field(
        None,
        description="Address of a running Ray cluster (`auto` or `host:port`); unset starts one on this machine. "
        "Its nodes are to be started with what `ossature config ray-environment` prints, and behind a firewall or NetworkPolicy: "
        "the ports of Ray, of Serve's replicas (which unpickle what they are sent) and of HAProxy's statistics are open there.",
    )
    num_cpus: float | None = Field(None, gt=0, description="Logical CPUs of a Ray started here; unset: as many as the machine has.")
    object_store_memory_bytes: int = Field(
        128 << 20,
        ge=80 << 20,
        description="Ray's object store on a Ray started here, in bytes. Requests do not pass through it.",
    )
    lost_after_s: float = Field(
        30.0,
        gt=0,
        le=50,
        description="Silence of Ray's control service after which `ossature serve` gives Ray up and ends with an error, in "
        "seconds; longer than a restart of that service where it has Redis. Ray itself ends its processes after 60 s.",
    )
    haproxy: bool = Field(True, description="Let HAProxy carry HTTP and gRPC to the gateways instead of Ray Serve's Python proxy.")
