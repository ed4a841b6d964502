"""Round robin: each replica in turn, whatever it is doing."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from cluster.routing.policy import Candidate, Policy, without_excluded
from cluster.routing.ticket import RouteTicket


class RoundRobin(Policy):
    """The replica that has had least for its weight so far, then the others likewise; equal ones by their names' hashes.

    A replica that joins begins where the one that has had least stands, so that it doesn't get everything until it has caught up.
    """

    def __init__(self) -> None:
        self._had: dict[str, float] = {}

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        had = self._had
        known = [had[candidate.replica_id] for candidate in candidates if candidate.replica_id in had]
        start = min(known, default=0.0)
        turns = {
            candidate.replica_id: had.get(candidate.replica_id, start) if candidate.weight > 0.0 else inf
            for candidate in candidates
        }
        order = sorted(without_excluded(ticket, candidates), key=lambda candidate: (turns[candidate.replica_id], candidate.seed))
        if order and order[0].weight > 0.0:
            turns[order[0].replica_id] += 1.0 / order[0].weight
        self._had = {replica_id: turn for replica_id, turn in turns.items() if turn < inf}
        return order
