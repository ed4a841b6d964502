"""Priced affinity: what a request would cost at each of a few replicas, in milliseconds, and the cheapest of them.

    price = wait behind earlier prompts + request_ms · requests there + crowding · prefill_ms_per_token · tokens not cached there

The first two are this request's own time. The third is everybody's: tokens that are computed for this request are waited for by
those behind it, too. All rates are measured (``calibration``); what is cached where is remembered and put right by answers
(``soft_index``). Candidates are the first replicas of the home order within the load bound, those that hold most of the prompt, the
one where other gateways are believed to have sent its beginning, and the two with the shortest wait. Equal prices go by home order.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.routing.backlog import Backlog
from cluster.routing.calibration import Calibration
from cluster.routing.chain import block_ends
from cluster.routing.policy import Candidate, Policy, ReplicaReport, without_excluded
from cluster.routing.rendezvous import rendezvous_order
from cluster.routing.soft_index import Held, SoftIndex
from cluster.routing.ticket import Answer, RouteEstimate, RouteTicket

HOMES = 3
HOLDERS = 2
SHORTEST = 2

FORCED_OFF_TOKENS = 1024
"""What must be cached elsewhere for a request to count as forced off: as much as makes affinity worth having at all."""

CALIBRATION_TOKENS = 1024
"""Prompts of which less was computed say more about the fixed cost of an engine step than about a token's."""


@dataclass(slots=True)
class _Case:
    """A request, its prompt's estimated tokens, what replicas hold of it, and where more of it is presumed to be.

    ``rest``: tokens that no replica is known to hold; ``share``: the part of them that is expected at ``presumed``.
    """

    ticket: RouteTicket
    now_s: float
    tokens: float
    held: Mapping[str, Held]
    presumed: str | None
    met: bool
    rest: float
    share: float
    loads: dict[str, float] = field(default_factory=dict)


class PricedAffinity(Policy):
    """See the module. ``load_factor`` bounds the load of homes that hold nothing, as a multiple of the mean."""

    def __init__(self, load_factor: float, index_entries: int, block_bytes: int, seed: int | None = None) -> None:
        self._load_factor = load_factor
        self._index = SoftIndex(index_entries)
        self._block_bytes = block_bytes
        self._ends: list[int] = []
        self._placements: OrderedDict[bytes, str] = OrderedDict()
        self._max_placements = max(1, index_entries // 16)
        self._backlogs: dict[str, Backlog] = {}
        self._random = random.Random(seed)
        self.rates = Calibration()

    @property
    def index_entries(self) -> int:
        """Blocks remembered now, at most as many as it was made for."""
        return self._index.entries

    # --- the decision -----------------------------------------------------------------------------------------------------

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        order = rendezvous_order(ticket.anchor or self._random.randbytes(16), candidates)
        ticket.home_order = tuple([candidate.replica_id for candidate in order]) if ticket.anchor else ()
        case = ticket.notes = self._case(ticket, order, now_s)
        case.loads = {candidate.replica_id: candidate.load for candidate in candidates}
        allowed = without_excluded(ticket, order)
        best = self._cheapest(case, allowed)
        if best:
            ticket.uncached_tokens = int(case.tokens - self._expected(case, best[0].replica_id))
        return [*best, *[candidate for candidate in allowed if candidate not in best]] if best else list(allowed)

    def _case(self, ticket: RouteTicket, order: Sequence[Candidate], now_s: float) -> _Case:
        rates = self.rates
        tokens = ticket.prompt_bytes / rates.bytes_per_token
        if not ticket.anchor:
            return _Case(ticket, now_s, tokens, {}, None, False, 0.0, 0.0)
        held = self._index.lookup(ticket.org, ticket.chain, now_s)
        deepest = max([what.depth for what in held.values()], default=0)
        known = self._cached_tokens(ticket, deepest)
        presumed = self._placements.get(ticket.anchor)
        if presumed is None and deepest >= ticket.chain.index(ticket.anchor) + 1:
            presumed = next(c.replica_id for c in order if c.replica_id in held and held[c.replica_id].depth == deepest)
        met = presumed is not None
        if presumed is None and order:
            presumed = order[0].replica_id
        return _Case(ticket, now_s, tokens, held, presumed, met, max(0.0, tokens - known), rates.share_elsewhere(met))

    def _cheapest(self, case: _Case, allowed: Sequence[Candidate]) -> list[Candidate]:
        """The candidates worth pricing, cheapest first."""
        priced = [
            (self._price(case, candidate), rank, candidate) for rank, candidate in self._shortlist(case, allowed) if candidate.weight > 0.0
        ]
        priced.sort(key=_price_and_rank)
        return [candidate for _, _, candidate in priced]

    def _shortlist(self, case: _Case, allowed: Sequence[Candidate]) -> list[tuple[int, Candidate]]:
        held, presumed = case.held, case.presumed
        depths = sorted([what.depth for what in held.values()], reverse=True)
        deep = depths[min(HOLDERS, len(depths)) - 1] if depths else 1
        bound = self._load_factor * max(1.0, sum([candidate.load for candidate in allowed]) / max(1, len(allowed)))
        homes = HOMES if case.ticket.anchor else 0
        chosen: dict[int, Candidate] = {}
        waits: list[tuple[float, int]] = []
        now_s, backlogs = case.now_s, self._backlogs
        request_s = self.rates.request_ms / 1000.0
        for rank, candidate in enumerate(allowed):
            replica_id = candidate.replica_id
            what = held.get(replica_id)
            if what is not None and what.depth >= deep or replica_id == presumed:
                chosen[rank] = candidate
            elif homes > 0 and candidate.load <= bound:
                homes -= 1
                chosen[rank] = candidate
            backlog = backlogs.get(replica_id)
            wait_s = request_s * candidate.load + (backlog.wait_s(now_s) if backlog is not None else 0.0)
            waits.append((wait_s, rank))
        waits.sort()
        for _, rank in waits[:SHORTEST]:
            chosen[rank] = allowed[rank]
        return sorted(chosen.items())

    def _price(self, case: _Case, candidate: Candidate) -> float:
        """Milliseconds; more for a replica that is still warming up."""
        rates = self.rates
        missing = case.tokens - self._expected(case, candidate.replica_id)
        work_ms = rates.crowding * rates.prefill_ms_per_token * missing
        return (self._wait_ms(candidate.replica_id, case.now_s) + rates.request_ms * candidate.load + work_ms) / candidate.weight

    def _expected(self, case: _Case, replica_id: str) -> float:
        """Tokens of the prompt that are likely to be found at a replica."""
        what = case.held.get(replica_id)
        cached = self._cached_tokens(case.ticket, what.depth) * self.rates.survival(what.age_s) if what is not None else 0.0
        if replica_id == case.presumed:
            cached += case.share * case.rest
        return min(cached, case.tokens)

    def _cached_tokens(self, ticket: RouteTicket, depth: int) -> float:
        if depth == 0:
            return 0.0
        ends = self._ends
        if len(ends) < depth:
            self._ends = ends = list(block_ends(max(1 << 20, 2 * ticket.prompt_bytes), self._block_bytes))
        return ends[depth - 1] / self.rates.bytes_per_token

    def _wait_ms(self, replica_id: str, now_s: float) -> float:
        backlog = self._backlogs.get(replica_id)
        return backlog.wait_s(now_s) * 1000.0 if backlog is not None else 0.0

    # --- what became of it ------------------------------------------------------------------------------------------------

    def routed(self, ticket: RouteTicket, replica_id: str, now_s: float) -> None:
        case = ticket.notes
        if not isinstance(case, _Case):
            return
        ticket.notes = None
        held = case.held
        what = held.get(replica_id)
        # What the index says, without doubts: the doubts are learned from how far it was wrong.
        cached = min(self._cached_tokens(ticket, what.depth), case.tokens) if what is not None else 0.0
        best = case.tokens - case.rest if held else 0.0
        expected = self._expected(case, replica_id)
        prefill_ms = self.rates.prefill_ms_per_token * (case.tokens - expected)
        lost = max((self._expected(case, other) for other in held), default=0.0) - expected
        ticket.estimate = RouteEstimate(
            prompt_tokens=int(case.tokens),
            cached_tokens=int(cached),
            best_cached_tokens=int(best),
            age_s=what.age_s if what is not None else 0.0,
            wait_ms=self._wait_ms(replica_id, now_s),
            prefill_ms=prefill_ms,
            load=case.loads.get(replica_id, 0.0),
            forced_off=lost >= FORCED_OFF_TOKENS,
            presumed=replica_id == case.presumed,
        )
        backlog = self._backlogs.setdefault(replica_id, Backlog())
        backlog.sent(id(ticket), prefill_ms / 1000.0, int(case.tokens - expected), now_s)
        if case.loads:
            self.rates.arrived(sum(case.loads.values()) / len(case.loads))
        if ticket.anchor:
            self._index.add(ticket.org, ticket.chain, replica_id, now_s)

    def first_token(self, ticket: RouteTicket, now_s: float) -> None:
        if ticket.replica_id in self._backlogs:
            self._backlogs[ticket.replica_id].computed(id(ticket), now_s)

    def finished(self, ticket: RouteTicket, answer: Answer | None, now_s: float) -> None:
        self.first_token(ticket, now_s)
        estimate, replica_id = ticket.estimate, ticket.replica_id
        if estimate is None or replica_id is None:
            return
        if answer is None:
            # It may never have been computed.
            depth = sum(1 for end in self._ends[: len(ticket.chain)] if end <= estimate.cached_tokens * self.rates.bytes_per_token)
            self._index.truncate(ticket.org, ticket.chain, replica_id, depth)
            return
        self._learn(estimate, answer, ticket)
        if ticket.anchor:
            self._index.add(ticket.org, ticket.chain, replica_id, now_s)

    def _learn(self, estimate: RouteEstimate, answer: Answer, ticket: RouteTicket) -> None:
        rates = self.rates
        rates.prompt(ticket.prompt_bytes, answer.prompt_tokens)
        uncached = answer.prompt_tokens - answer.cached_tokens
        if answer.prefill_s is not None and uncached >= CALIBRATION_TOKENS:
            rates.prefill(uncached, answer.prefill_s)
        if answer.queue_s is not None and estimate.wait_ms <= 0.0:
            rates.step_wait(answer.queue_s, estimate.load)
        if not ticket.anchor:
            return
        if estimate.cached_tokens > 0:
            rates.found(estimate.age_s, answer.cached_tokens / estimate.cached_tokens)
        beyond = answer.prompt_tokens - estimate.best_cached_tokens
        if estimate.presumed and beyond >= FORCED_OFF_TOKENS:
            share = (answer.cached_tokens - estimate.best_cached_tokens) / beyond
            rates.beyond_known(min(1.0, max(0.0, share)), met=estimate.best_cached_tokens > 0)

    def reported(self, replica_id: str, report: ReplicaReport, now_s: float) -> None:
        backlog = self._backlogs.setdefault(replica_id, Backlog())
        tokens = report.pending_tokens
        backlog.reported(tokens, tokens * self.rates.prefill_ms_per_token / 1000.0, now_s)
        placements = self._placements
        for anchor in report.anchors:
            placements[anchor] = replica_id
            placements.move_to_end(anchor)
        while len(placements) > self._max_placements:
            placements.popitem(last=False)

    def forget(self, replica_id: str) -> None:
        self._index.forget(replica_id)
        self._backlogs.pop(replica_id, None)
        for anchor in [anchor for anchor, home in self._placements.items() if home == replica_id]:
            del self._placements[anchor]


def _price_and_rank(priced: tuple[float, int, Candidate]) -> tuple[float, int]:
    return priced[0], priced[1]
