"""The way to a replica, and tokens' way back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cluster.config.settings.section import Section


class RoutingSettings(Section):
    """Which replica answers a request."""

    policy: Literal["affinity", "rendezvous", "bounded_hashing", "least_load", "power_of_two", "round_robin", "random"] = Field(
        "affinity",
        description="How a replica is chosen: `affinity` looks for the one where the prompt costs least, by what is cached and "
        "what waits there. The others are there to be compared with: `rendezvous` (homes and bounded load, no memory) and "
        "`bounded_hashing` (of a fixed length of prompt) keep equal beginnings together, the rest don't.",
    )
    index: Literal["soft", "precise"] = Field(
        "soft",
        description="How `affinity` knows what replicas have cached. `soft`: by what was sent there and by the cached tokens of "
        "answers. `precise`: engines tell of each block that they store or evict, and the soft index is for what they don't tell "
        "of; takes `relay.implementation: stepped`.",
    )
    load_factor: float = Field(
        1.25, ge=1.0, le=4.0, description="A replica is eligible while its load is at most this factor times the mean."
    )
    min_affinity_tokens: int = Field(
        1024, ge=0, description="Shorter prompts (estimated from their bytes) go to the least loaded replica."
    )
    block_bytes: int = Field(512, ge=64, le=65536, description="Bytes of canonical prompt per block of the prefix chain.")
    index_entries: int = Field(
        200_000,
        ge=1000,
        description="Prefix hashes that each gateway remembers for each model, over all organizations: once to choose anchors, and "
        "once to know which replica holds what.",
    )
    recompute_weight: float = Field(
        2.0,
        ge=1.0,
        le=10.0,
        description="How much a millisecond of computing cached tokens again weighs against one of waiting: 1 goes by time to "
        "first token alone, more spares engines and keeps cached-token counts up.",
    )
    report_period_s: float = Field(
        0.25,
        gt=0,
        le=10,
        description="How often replicas tell gateways through Ray Serve what others sent them, and with `index: precise` what they "
        "have cached, in seconds.",
    )
    load_period_s: float = Field(
        0.02,
        gt=0,
        le=10,
        description="How often at most a replica tells what others sent it to the gateways that have a channel to it (relay "
        "`stepped`), in seconds. It does so only when something has changed.",
    )


class RelaySettings(Section):
    """From engine replica to gateway."""

    implementation: Literal["handle", "stepped"] = Field(
        "stepped",
        description="`stepped`: engine replicas dial back to the gateway and send one message per engine step with what is new for "
        "all its requests. `handle`: Ray Serve's streaming handle, coalesced; opens no port of its own.",
    )
    calls: Literal["channel", "handle"] = Field(
        "channel",
        description="How the `stepped` relay sends a request to a replica that it has a channel with: over that channel, or by Ray "
        "Serve's handle. Either way Serve counts and limits it in the replica.",
    )
    first_port: int = Field(
        0,
        ge=0,
        le=65_436,
        description="Gateways listen for engine replicas on the first free one of 100 TCP ports from here, which a firewall or "
        "NetworkPolicy can name. 0: on any free port.",
    )
    max_buffered_bytes: int = Field(
        4 << 20,
        ge=64 << 10,
        description="Bytes of an answer that may wait for one slow client; with more, its replica takes nothing further from the "
        "engine's output until the client has read.",
    )
    max_waiting_bytes: int = Field(
        256 << 20,
        ge=1 << 20,
        description="Bytes of answers that may wait in one gateway for all its slow clients together (relay `stepped`); with more, "
        "the answer that holds most, of the organization that holds most, is ended.",
    )
    max_request_bytes: int = Field(
        128 << 20, ge=4 << 20, description="Largest message between gateway and engine replica, in bytes."
    )
    peer_timeout_s: float = Field(
        20.0,
        ge=1.0,
        description="How long the other end of a channel of the `stepped` relay may be silent before it counts as dead, in "
        "seconds. The end of a process or a closed connection is noticed at once; this is for hosts that vanish.",
    )
