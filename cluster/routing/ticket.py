"""The routing decision's input and outcome for one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

NEW_MARKS = 24
"""Half a kilobyte of hashes in a report, at most, for each prompt."""


class Affinity(StrEnum):
    """How a request met its prefix: on its home, on a later replica of the fixed order that is known to hold it, on one that is

    not, or without any affinity wanted.
    """

    HOME = "home"
    KNOWN = "known"
    SPILLED = "spilled"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine told of a request that it has answered: exact token counts, and seconds inside the engine.

    ``queue_s``: from its arrival there until it was scheduled; ``prefill_s``: from then to its first token;

    ``decode_s``: from then to the last of its ``completion_tokens``.
    """

    prompt_tokens: int
    cached_tokens: int
    queue_s: float | None = None
    prefill_s: float | None = None
    completion_tokens: int = 0
    decode_s: float | None = None


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
    of the canonical prompt. ``streamed``: its first token can be seen; of an answer that comes whole, nobody can tell when the
    prompt was computed.

    The router sets ``replica_id``, ``rank`` (place in the home order) and ``affinity``; also ``home_order`` (replica ids as they
    stood at the last decision), ``decision_s``, the time that all decisions for this request took, in seconds, ``estimate``, what
    the decision was built on (``None`` for policies that estimate nothing), and ``feedback``, whom to tell how it went on.
    ``uncached_tokens`` is how many the replica is expected to compute, behind ``known_blocks`` of the chain. ``notes`` is a
    policy's own, from its decision until the request is routed. ``tell_chain``: the replica gets the whole chain, to tell what it
    has cached of it. ``adapter``: tag of the adapter that the request needs (``routing.adapters``), ``b""`` for none.
    ``forced_off``: load was the reason for the decision not to name a replica first that holds most of the prompt.
    """

    anchor: bytes = b""
    chain: tuple[bytes, ...] = ()
    prompt_bytes: int = 0
    excluded: frozenset[str] = field(default_factory=frozenset)
    streamed: bool = True
    org: str = ""
    replica_id: str | None = None
    rank: int | None = None
    affinity: Affinity = Affinity.NONE
    home_order: tuple[str, ...] = ()
    decision_s: float = 0.0
    estimate: RouteEstimate | None = None
    feedback: Feedback | None = None
    notes: object = None
    uncached_tokens: int = 0
    known_blocks: int = 0
    tell_chain: bool = False
    adapter: bytes = b""
    forced_off: bool = False
    ended: bool = False

    def routed_to(self, replica_id: str) -> None:
        """A replica has accepted the request: note it, and how that met the request's home."""
        self.replica_id = replica_id
        if replica_id in self.home_order:
            self.rank = self.home_order.index(replica_id)
            self.affinity = Affinity.HOME if self.rank == 0 else Affinity.SPILLED
        else:
            self.rank = None
            self.affinity = Affinity.NONE

    def settled(self) -> None:
        """The policy's estimate is there: on a later replica that holds as much of the prompt as any, the request isn't astray."""
        estimate = self.estimate
        if self.affinity is Affinity.SPILLED and estimate is not None and not estimate.forced_off and estimate.cached_tokens > 0:
            self.affinity = Affinity.KNOWN

    def first_token(self) -> None:
        """The answer's first piece has come."""
        if self.feedback is not None:
            self.feedback.first_token(self)

    def finished(self, answer: Answer | None) -> None:
        """The request has ended. Only the first call counts."""
        self.ended = True
        feedback, self.feedback = self.feedback, None
        if feedback is not None:
            feedback.finished(self, answer)

    @property
    def marks(self) -> tuple[bytes, ...]:
        """Hashes by which other gateways recognise a prompt that begins alike, shallow to deep.

        At depths 1, 2, 4, 8, …, to say that these are used still; at the end; and up to ``NEW_MARKS`` over the part that is new to
        the replica, since another prompt may branch off anywhere in it.
        """
        chain, known = self.chain, self.known_blocks
        if not chain:
            return ()
        depths = {1 << power for power in range(len(chain).bit_length())}
        depths.update(range(len(chain), known, -max(1, -(-(len(chain) - known) // NEW_MARKS))))
        return tuple([chain[depth - 1] for depth in sorted(depths)])

    def arriving(self) -> ArrivedTicket:
        """What a replica has a use for. The rest is the gateway's business, and the chain can be kilobytes."""
        # Of a prompt that nobody sees the end of, nobody could say how long it counts.
        uncached = self.uncached_tokens if self.streamed else 0
        marks, chain = self.marks if self.anchor else (), self.chain if self.tell_chain else ()
        return ArrivedTicket(marks, uncached, chain, self.prompt_bytes, self.forced_off)

    def __reduce__(self) -> tuple[Callable[..., ArrivedTicket], tuple[tuple[bytes, ...], int, tuple[bytes, ...], int, bool]]:
        """Pickled, it arrives as what :meth:`arriving` gives."""
        told = self.arriving()
        return ArrivedTicket, (told.marks, told.uncached_tokens, told.chain, told.prompt_bytes, told.forced_off)


@dataclass(frozen=True, slots=True)
class ArrivedTicket:
    """What a replica gets of a ticket, to tell all gateways: ``marks`` of the prompt, and how many of its tokens it is expected

    to compute. ``chain`` of a prompt of ``prompt_bytes``, where replicas tell what they have cached. ``forced_off``: most of the
    prompt is cached elsewhere.
    """

    marks: tuple[bytes, ...]
    uncached_tokens: int
    chain: tuple[bytes, ...] = ()
    prompt_bytes: int = 0
    forced_off: bool = False


@dataclass(frozen=True, slots=True)
class RouteEstimate:
    """What a priced decision expected of the replica that the request went to.

    ``cached_tokens`` of ``prompt_tokens``, by an entry last used ``age_s`` ago; ``best_cached_tokens``: the most that any replica
    was believed to hold. ``wait_ms`` behind earlier prompts, ``prefill_ms`` for this one; ``load``: requests there, this one not
    counted. ``forced_off``: load was the reason not to go where most is cached. ``home``: it is the first of the home order.
    ``told``: ``cached_tokens`` are what the replica's engine told, not what was believed.
    ``memory_entries`` and ``memory_bytes``: all that the policy remembers, of whatever request.
    """

    prompt_tokens: int
    cached_tokens: int
    best_cached_tokens: int
    age_s: float
    wait_ms: float
    prefill_ms: float
    load: float
    forced_off: bool
    home: bool
    told: bool = False
    memory_entries: int = 0
    memory_bytes: int = 0
