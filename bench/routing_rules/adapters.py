"""Other routers' decision rules behind our policy contract, written for comparison from what their projects publish.

Texts are stood for by the blocks of the prefix chain. All of them see short prompts, too: the threshold of affinity is ours.
Differences that favour them: their index is never behind, lookups cost no time, and their load counts are those of our gateway.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Sequence
from hashlib import blake2b

from bench.routing_rules.prefix_tree import PrefixTree
from cluster.routing.policy import Candidate, Policy, without_excluded
from cluster.routing.ticket import RouteTicket


class _Rule(Policy):
    """A rule that knows nothing of weights: replicas that take no new work go behind the others whatever it says."""

    @abstractmethod
    def order(self, ticket: RouteTicket, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates that are not excluded, best first."""

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        # Sorted, so that what is drawn doesn't depend on how they are listed.
        order = self.order(ticket, sorted(candidates, key=lambda candidate: candidate.replica_id))
        return sorted(order, key=lambda candidate: candidate.weight <= 0.0)


class _TreePolicy(_Rule):
    """Remembers routed prompts in a tree."""

    def __init__(self, seed: int, max_blocks: int | None = None) -> None:
        self._random = random.Random(seed)
        self._tree = PrefixTree(max_blocks)

    def routed(self, ticket: RouteTicket, replica_id: str, now_s: float) -> None:
        self._tree.insert(replica_id, ticket.chain)

    def forget(self, replica_id: str) -> None:
        self._tree.forget(replica_id)

    def _shuffled(self, ticket: RouteTicket, candidates: Sequence[Candidate]) -> list[Candidate]:
        order = list(without_excluded(ticket, candidates))
        self._random.shuffle(order)
        return order

    def _two_choices(self, order: list[Candidate]) -> list[Candidate]:
        if len(order) > 1 and order[1].load < order[0].load:
            order[0], order[1] = order[1], order[0]
        return order


class RayPrefixAffinity(_TreePolicy):
    """Ray Serve's PrefixCacheAffinityRouter: if queues differ by more than ``imbalanced_threshold``, power of two choices; else

    the replicas with the longest match if it is 10 % of the prompt, else the one whose tree is smallest. The threshold is infinite
    by default, the tree unbounded.
    """

    def __init__(self, seed: int, imbalanced_threshold: float = float("inf"), match_rate: float = 0.1) -> None:
        super().__init__(seed)
        self._threshold, self._match_rate = imbalanced_threshold, match_rate

    def order(self, ticket: RouteTicket, candidates: Sequence[Candidate]) -> list[Candidate]:
        order = self._shuffled(ticket, candidates)
        loads = [candidate.load for candidate in order]
        if not ticket.chain or max(loads) - min(loads) > self._threshold:
            return self._two_choices(order)
        matches = {candidate.replica_id: self._tree.matched(candidate.replica_id, ticket.chain) for candidate in order}
        if max(matches.values()) >= self._match_rate * len(ticket.chain):
            best = max(matches.values())
            # Several replicas that match alike are one rank, within which Serve takes the shortest queue.
            return sorted(order, key=lambda c: (matches[c.replica_id] < best, c.load))
        smallest = min(self._tree.size(candidate.replica_id) for candidate in order)
        return sorted(order, key=lambda c: (self._tree.size(c.replica_id) > smallest, c.load))


class SglangCacheAware(_TreePolicy):
    """SGLang's cache-aware policy: shortest queue while ``max - min > abs`` and ``max > rel * min`` over the fleet; else the

    longest match if it is more than ``cache_threshold`` of the prompt, else the replica with the smallest tree.
    """

    def __init__(
        self, seed: int, cache_threshold: float = 0.5, balance_abs: int = 32, balance_rel: float = 1.0001, max_blocks: int = 1 << 18
    ) -> None:
        super().__init__(seed, max_blocks)
        self._cache_threshold, self._abs, self._rel = cache_threshold, balance_abs, balance_rel

    def order(self, ticket: RouteTicket, candidates: Sequence[Candidate]) -> list[Candidate]:
        order = self._shuffled(ticket, candidates)
        loads = [candidate.load for candidate in order]
        if not ticket.chain or (max(loads) - min(loads) > self._abs and max(loads) > self._rel * min(loads)):
            return sorted(order, key=lambda c: c.load)
        matches = {candidate.replica_id: self._tree.matched(candidate.replica_id, ticket.chain) for candidate in order}
        if max(matches.values()) > self._cache_threshold * len(ticket.chain):
            return sorted(order, key=lambda c: -matches[c.replica_id])
        return sorted(order, key=lambda c: self._tree.size(c.replica_id))


class KubeaiChwbl(_Rule):
    """KubeAI's consistent hashing with bounded load: a ring of 256 points a replica, the hash of the prompt's first bytes, the

    first replica from there whose load is at most ``1.25 * (total + 1) / n``. The key is the first block: 512 bytes, its default
    being 100 characters of the first user message, which a trace doesn't have.
    """

    VIRTUAL_NODES = 256

    def __init__(self, seed: int, load_factor: float = 1.25, prefix_blocks: int = 1) -> None:
        self._random = random.Random(seed)
        self._load_factor, self._prefix_blocks = load_factor, prefix_blocks
        self._members: tuple[str, ...] = ()
        self._ring: list[tuple[bytes, str]] = []

    def order(self, ticket: RouteTicket, candidates: Sequence[Candidate]) -> list[Candidate]:
        allowed = {candidate.replica_id: candidate for candidate in without_excluded(ticket, candidates)}
        self._rebuild(tuple(sorted(candidate.replica_id for candidate in candidates)))
        key = ticket.chain[: self._prefix_blocks][-1] if ticket.chain else self._random.randbytes(16)
        start = _bisect(self._ring, blake2b(key, digest_size=8).digest())
        walk: dict[str, Candidate] = {}
        for place in range(len(self._ring)):
            replica_id = self._ring[(start + place) % len(self._ring)][1]
            if replica_id in allowed:
                walk.setdefault(replica_id, allowed[replica_id])
                if len(walk) == len(allowed):
                    break
        bound = self._load_factor * (sum(candidate.load for candidate in candidates) + 1) / len(candidates)
        order = list(walk.values())
        return [c for c in order if c.load <= bound] + [c for c in order if c.load > bound]

    def _rebuild(self, members: tuple[str, ...]) -> None:
        if members != self._members:
            self._members = members
            self._ring = sorted(
                (blake2b(f"{member}/{number}".encode(), digest_size=8).digest(), member)
                for member in members
                for number in range(self.VIRTUAL_NODES)
            )


class LlmdScorers(_TreePolicy):
    """llm-d's weighted scorers, each in [0, 1]: approximate prefix (share of the prompt's blocks that the replica was sent before,

    from a bounded LRU for each replica), and queue ``(max - load) / (max - min)``; the highest sum, ties at random.
    """

    def __init__(self, seed: int, prefix_weight: float = 2.0, queue_weight: float = 1.0, max_blocks: int = 31_250) -> None:
        super().__init__(seed, max_blocks)
        self._prefix_weight, self._queue_weight = prefix_weight, queue_weight

    def order(self, ticket: RouteTicket, candidates: Sequence[Candidate]) -> list[Candidate]:
        order = self._shuffled(ticket, candidates)
        loads = [candidate.load for candidate in order]
        low, spread = min(loads), max(loads) - min(loads)

        def score(candidate: Candidate) -> float:
            queue = 1.0 if spread == 0 else 1.0 - (candidate.load - low) / spread
            prefix = self._tree.matched(candidate.replica_id, ticket.chain) / len(ticket.chain) if ticket.chain else 0.0
            return self._prefix_weight * prefix + self._queue_weight * queue

        return sorted(order, key=score, reverse=True)


def _bisect(ring: Sequence[tuple[bytes, str]], key: bytes) -> int:
    low, high = 0, len(ring)
    while low < high:
        middle = (low + high) // 2
        if ring[middle][0] < key:
            low = middle + 1
        else:
            high = middle
    return low % max(1, len(ring))
