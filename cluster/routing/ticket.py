"""The routing decision's input and outcome for one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Affinity(StrEnum):
    """How a request met its prefix's home: on it, on a later replica of the fixed order, or without any affinity wanted."""

    HOME = "home"
    SPILLED = "spilled"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine told of a request that it has answered: exact token counts, and seconds inside the engine.

    ``queue_s``: from its arrival there until it was scheduled; ``prefill_s``: from then to its first token.
    """

    prompt_tokens: int
    cached_tokens: int
    queue_s: float | None = None
    prefill_s: float | None = None


class Feedback(Protocol):
    """Who wants to know how a routed request went on: the router that chose its replica."""

    def first_token(self, ticket: RouteTicket) -> None:
        """The prompt has been computed."""
        ...

    def finished(self, ticket: RouteTicket, answer: Answer | None) -> None:
        """The request has ended; without an answer if it failed or its client went away."""
        ...


@dataclass(slots=True)
class RouteTicket:
    """Handed to the router with a request, filled in by it.

    ``chain``: keyed hashes of the prompt's prefix blocks, shallow to deep (``prefix_chain``). ``anchor``: the hash whose
    rendezvous order is the request's home order, ``b""`` for no affinity. ``org`` names the organization in whose share of a
    router's memory the request is remembered. ``excluded``: replicas that failed this request already. ``prompt_bytes``: length
    of the canonical prompt.

    The router sets ``replica_id``, ``rank`` (place in the home order) and ``affinity``; also ``home_order`` (replica ids as they
    stood at the last decision), ``decision_s``, the time that all decisions for this request took, in seconds, ``estimate``, what
    the decision was built on (``None`` for policies that estimate nothing), and ``feedback``, whom to tell how it went on.
    """

    anchor: bytes = b""
    chain: tuple[bytes, ...] = ()
    prompt_bytes: int = 0
    excluded: frozenset[str] = field(default_factory=frozenset)
    org: str = ""
    replica_id: str | None = None
    rank: int | None = None
    affinity: Affinity = Affinity.NONE
    home_order: tuple[str, ...] = ()
    decision_s: float = 0.0
    estimate: RouteEstimate | None = None
    feedback: Feedback | None = None

    def first_token(self) -> None:
        """The answer's first piece has come."""
        if self.feedback is not None:
            self.feedback.first_token(self)

    def finished(self, answer: Answer | None) -> None:
        """The request has ended. Only the first call counts."""
        feedback, self.feedback = self.feedback, None
        if feedback is not None:
            feedback.finished(self, answer)

    def __reduce__(self) -> tuple[type[RouteTicket], tuple[bytes, tuple[bytes, ...], int]]:
        """Pickle what a replica may want to know. The rest is the gateway's business, and the chain would be kilobytes."""
        return RouteTicket, (self.anchor, (), self.prompt_bytes)


@dataclass(frozen=True, slots=True)
class RouteEstimate:
    """What a priced decision expected of the chosen replica, and of the best one for the prefix alone.

    ``cached_tokens`` of ``prompt_tokens``; ``wait_ms`` behind earlier prompts there; ``price_ms`` in all. ``best_cached_tokens``:
    the most that any replica was believed to hold. ``forced_off``: load was the reason not to go where that is.
    """

    prompt_tokens: int
    cached_tokens: int
    best_cached_tokens: int
    wait_ms: float
    price_ms: float
    forced_off: bool
