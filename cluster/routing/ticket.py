"""The routing decision's input and outcome for one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Affinity(StrEnum):
    """How a request met its prefix's home: on it, on a later replica of the fixed order, or without any affinity wanted."""

    HOME = "home"
    SPILLED = "spilled"
    NONE = "none"


@dataclass(slots=True)
class RouteTicket:
    """Handed to the router with a request, filled in by it.

    ``chain``: keyed hashes of the prompt's prefix blocks, shallow to deep (``prefix_chain``). ``anchor``: the hash whose
    rendezvous order is the request's home order, ``b""`` for no affinity. ``excluded``: replicas that failed this request
    already. ``prompt_bytes``: length of the canonical prompt. The router sets ``replica_id``, ``rank`` (place in the home order)
    and ``affinity``; also ``home_order`` (replica ids as they stood at the last decision) and ``decision_s``, the time that all
    decisions for this request took, in seconds.
    """

    anchor: bytes = b""
    chain: tuple[bytes, ...] = ()
    prompt_bytes: int = 0
    excluded: frozenset[str] = field(default_factory=frozenset)
    replica_id: str | None = None
    rank: int | None = None
    affinity: Affinity = Affinity.NONE
    home_order: tuple[str, ...] = ()
    decision_s: float = 0.0

    def __reduce__(self) -> tuple[type[RouteTicket], tuple[bytes, tuple[bytes, ...], int]]:
        """Pickle what a replica may want to know. The rest is the gateway's business, and the chain would be kilobytes."""
        return RouteTicket, (self.anchor, (), self.prompt_bytes)
