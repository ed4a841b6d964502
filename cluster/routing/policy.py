"""The contract of routing policies: from a request and the replicas that could take it to the order in which to try them.

Policies are synchronous, quick and know neither Ray nor HTTP, so that the router and a simulation drive the same code.
What a policy needs to know of a request travels in its ticket; what it remembers of replicas it holds itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType

from cluster.routing.ticket import Answer, RouteTicket

NO_STATS: Mapping[str, float] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class Candidate:
    """A replica as one gateway sees it now.

    ``load``: requests that it works on, as far as this gateway knows. ``weight``: share of traffic it should get, 1 as a rule,
    less while it warms up, 0 to give it none. ``stats``: what the replica reported last, by name. ``seed`` is its fixed part in
    rendezvous hashing, an odd number of 128 bits.
    """

    replica_id: str
    load: float = 0.0
    weight: float = 1.0
    stats: Mapping[str, float] = field(default_factory=lambda: NO_STATS)
    seed: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.seed = int.from_bytes(blake2b(self.replica_id.encode(), digest_size=16).digest(), "big") | 1


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica tells all gateways from time to time.

    ``pending_tokens``: prompt tokens that it still has to compute, by the estimates of the gateways that sent them;
    ``given_tokens``: all that it was ever given. ``marks``: ``RouteTicket.marks`` of the prompts that it has been given lately,
    whoever sent them. ``adapters``: tags of those that it has loaded or is loading; ``adapter_load_ms``: what a load took there
    lately, in milliseconds, 0 while it is not known.
    """

    pending_tokens: float
    given_tokens: int
    marks: Sequence[bytes]
    adapters: Collection[bytes] = ()
    adapter_load_ms: float = 0.0


class Policy(ABC):
    """Chooses replicas. The later calls tell it how its choices went on; policies that remember nothing leave them out."""

    @abstractmethod
    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        """The candidates in the order in which to try them; ``now_s`` is a steady clock in seconds.

        Each one appears once, except for those that ``ticket.excluded`` names: they are left out as long as there are others.
        The result doesn't depend on the order of ``candidates``. A policy with a home order notes it in ``ticket.home_order``.
        """

    def routed(self, ticket: RouteTicket, replica_id: str, now_s: float) -> None:  # noqa: B027 - nothing is a fine answer
        """A replica has accepted the request."""

    def first_token(self, ticket: RouteTicket, now_s: float) -> None:  # noqa: B027
        """The prompt of a routed request has been computed."""

    def finished(self, ticket: RouteTicket, answer: Answer | None, now_s: float) -> None:  # noqa: B027
        """A routed request has ended, without an answer if it failed or was given up. Called once."""

    def reported(self, replica_id: str, report: ReplicaReport, now_s: float) -> None:  # noqa: B027
        """A replica told all gateways what it has."""

    def forget(self, replica_id: str) -> None:  # noqa: B027
        """A replica is gone, and its cache with it."""


def without_excluded(ticket: RouteTicket, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """The candidates that the request hasn't failed on, or all if there are no others."""
    if not ticket.excluded:
        return candidates
    allowed = [candidate for candidate in candidates if candidate.replica_id not in ticket.excluded]
    return allowed or candidates
