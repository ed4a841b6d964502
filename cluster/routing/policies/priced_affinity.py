"""Priced affinity: what a request would cost at each of a few replicas, in milliseconds, and the cheapest of them.

    price = wait behind earlier prompts + (request_ms + decode_ms) · requests there
          + prefill_ms_per_token · tokens not cached there · (1 + (recompute_weight · recomputed · crowding - 1) / uses)
          + what loading the request's adapter takes, where it is not loaded

The first terms are this request's own time. The last is everybody's: while its tokens are computed, those behind it wait, and the
answers that are being generated there stand still; and they evict others, which will be computed again. But a copy of a prefix
also serves those who ask for it next: what it costs the others is shared by the ``uses`` that it can expect while it lasts
(``popularity``). What is new to all has a price more, see ``_founding_ms``. All rates are measured (``calibration``).
Which adapters replicas hold they tell (``adapters``).
What is cached where is remembered, heard of, and put right by answers (``soft_index``, ``hearsay``). Candidates are the first
replicas of the home order within the load bound, those that hold most of the prompt, the least loaded ones with the adapter, and
the two with the shortest wait. Equal prices go by home order.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from cluster.routing import hearsay, popularity, soft_index
from cluster.routing.adapters import AdapterPlaces
from cluster.routing.backlog import Backlog
from cluster.routing.calibration import Calibration
from cluster.routing.chain import block_ends
from cluster.routing.hearsay import Hearsay
from cluster.routing.policy import Candidate, Policy, ReplicaReport, without_excluded
from cluster.routing.popularity import Popularity
from cluster.routing.prefix_index import Held, PrefixIndex
from cluster.routing.rendezvous import HomeOrders
from cluster.routing.soft_index import SoftIndex
from cluster.routing.ticket import Answer, RouteEstimate, RouteTicket

HOMES = 3
HOLDERS = 2
ADAPTER_HOLDERS = 2
SHORTEST = 2

LOOKED_AT = 16
"""Of the least loaded replicas, among which those with the shortest wait are found."""

DRAWS = 32
"""Requests without a home for which one random order serves, each from another place of it on."""

FORCED_OFF_TOKENS = 1024
"""What must be cached elsewhere for a request to count as forced off: as much as makes affinity worth having at all."""

CALIBRATION_TOKENS = 1024
"""Prompts of which less was computed say more about the fixed cost of an engine step than about a token's."""


@dataclass(slots=True, eq=False)
class _Case:
    """A request: its prompt's estimated tokens, what replicas hold of it (``best_tokens``: the most that one does), its home.

    ``unknown``: nobody is known to hold it as far as its anchor; ``home_tokens`` are expected at the home all the same.
    ``uses``: requests that one more copy of what is held can expect. ``loads``: of the replicas that were priced.
    """

    ticket: RouteTicket
    now_s: float
    tokens: float
    held: Mapping[str, Held]
    best_tokens: float
    home: str | None
    home_tokens: float
    unknown: bool
    uses: float = 1.0
    loads: dict[str, float] = field(default_factory=dict)


class PricedAffinity(Policy):
    """See the module. ``load_factor`` bounds the load of homes that hold nothing, as a multiple of the mean."""

    def __init__(
        self,
        load_factor: float,
        index_entries: int,
        block_bytes: int,
        recompute_weight: float = 2.0,
        seed: int | None = None,
        index: PrefixIndex | None = None,
        adapter_load_ms: float = 0.0,
    ) -> None:
        """``block_bytes``: of the chains' blocks. ``recompute_weight``: see the setting of that name. ``index``: a soft one of

        ``index_entries`` unless given. ``adapter_load_ms``: see ``models[].adapters.load_ms``.
        """
        self._adapters = AdapterPlaces(adapter_load_ms)
        self._recompute_weight = recompute_weight
        self._load_factor = load_factor
        self._index = index if index is not None else SoftIndex(index_entries)
        self._block_bytes = block_bytes
        self._ends: list[int] = []
        self._hearsay = Hearsay(index_entries // 4)
        self._backlogs: dict[str, Backlog] = {}
        self._random = random.Random(seed)
        self._orders = HomeOrders()
        self._popularity = Popularity(index_entries // 16)
        self._own_load = 0
        self._draw = b""
        self._drawn = 0
        self.rates = Calibration()

    @property
    def index_entries(self) -> int:
        """All that is remembered now: of blocks at most as many as it was made for, and of marks and prefixes in proportion."""
        return self._index.entries + len(self._hearsay) + len(self._popularity)

    @property
    def index_bytes(self) -> int:
        """About how much memory that takes."""
        return (
            self._index.entries * soft_index.ENTRY_BYTES
            + len(self._hearsay) * hearsay.ENTRY_BYTES
            + len(self._popularity) * popularity.ENTRY_BYTES
        )

    # --- the decision -----------------------------------------------------------------------------------------------------

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        # Prompts without a home of their own have their adapter's, so that few replicas load it.
        home = ticket.anchor or ticket.adapter
        order, ids = self._orders.of(home, candidates) if home else self._any_order(candidates)
        ticket.home_order = ids if ticket.anchor else ()
        ticket.tell_chain = self._index.wants_chains
        case = ticket.notes = self._case(ticket, ids, now_s)
        allowed = without_excluded(ticket, order)
        if not allowed:
            return []
        best = self._cheapest(case, allowed)
        if best:
            first = allowed[best[0]].replica_id
            expected = self._expected(case, first)
            ticket.uncached_tokens = int(case.tokens - expected)
            ticket.forced_off = self._best_expected(case) - expected >= FORCED_OFF_TOKENS
            ticket.known_blocks = case.held[first].depth if first in case.held else 0
        rest = list(allowed)
        for rank in sorted(best, reverse=True):
            del rest[rank]
        return [allowed[rank] for rank in best] + rest

    def _any_order(self, candidates: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
        """A random order, so that equal prices don't all go to the same replica."""
        if self._drawn % DRAWS == 0:
            self._draw = self._random.randbytes(16)
        self._drawn += 1
        order, ids = self._orders.of(self._draw, candidates)
        taking = len(order)
        while taking and order[taking - 1].weight <= 0.0:
            taking -= 1
        if taking < 2:
            return order, ids
        first = self._random.randrange(taking)
        return (*order[first:taking], *order[:first], *order[taking:]), ids

    def _case(self, ticket: RouteTicket, ids: Sequence[str], now_s: float) -> _Case:
        tokens = ticket.prompt_bytes / self.rates.bytes_per_token
        if not ticket.anchor or not ids:
            return _Case(ticket, now_s, tokens, {}, 0.0, None, 0.0, False)
        held = self._index.lookup(ticket.org, ticket.chain, now_s)
        for replica_id, what in self._hearsay.lookup(ticket.chain, now_s).items():
            if replica_id in ids and (replica_id not in held or held[replica_id].depth < what.depth):
                held[replica_id] = what
        deepest = max([what.depth for what in held.values()], default=0)
        best_tokens = max([self._believed(what, ticket.prompt_bytes, tokens) for what in held.values()], default=0.0)
        unknown = ticket.anchor not in ticket.chain[:deepest]
        home_tokens = self.rates.home_share * (tokens - best_tokens) if unknown else 0.0
        case = _Case(ticket, now_s, tokens, held, best_tokens, ids[0], home_tokens, unknown)
        if deepest:
            holders = sum([what.depth == deepest for what in held.values()])
            asked = self._popularity.asked(ticket.chain[deepest - 1], now_s, self.rates.lifetime_s)
            case.uses = max(1.0, asked * self.rates.gateways / (holders + 1))
        return case

    def _cheapest(self, case: _Case, allowed: Sequence[Candidate]) -> list[int]:
        """Places in ``allowed`` of the candidates worth pricing, cheapest first, equal prices by place."""
        rates, now_s, adapter = self.rates, case.now_s, case.ticket.adapter
        load_ms = rates.request_ms + rates.decode_ms(1.0)
        others_ms = (self._recompute_weight * rates.recomputed * rates.crowding - 1.0) / case.uses
        token_ms = rates.prefill_ms_per_token * (1.0 + others_ms)
        priced: list[tuple[float, int]] = []
        for rank in self._shortlist(case, allowed, load_ms / 1000.0):
            candidate = allowed[rank]
            if candidate.weight > 0.0:
                replica_id, load = candidate.replica_id, candidate.load
                case.loads[replica_id] = load
                missing = case.tokens - self._expected(case, replica_id)
                price_ms = self._wait_ms(replica_id, now_s) + load_ms * load + token_ms * missing
                if case.unknown:
                    price_ms += self._founding_ms(case, replica_id, missing)
                if adapter:
                    price_ms += self._adapters.missing_ms(replica_id, adapter)
                # More for a replica that is still warming up.
                priced.append((price_ms / candidate.weight, rank))
        priced.sort()
        return [rank for _, rank in priced]

    def _shortlist(self, case: _Case, allowed: Sequence[Candidate], load_s: float) -> set[int]:
        """Places in ``allowed``. ``load_s``: how much longer a request takes for each other one there."""
        loads = [candidate.load for candidate in allowed]
        self.rates.shared(sum(loads), self._own_load)
        chosen = self._shortest(allowed, loads, load_s, case.now_s)
        if case.ticket.adapter:
            chosen.update(self._with_adapter(case.ticket.adapter, allowed, loads))
        if not case.ticket.anchor:
            return chosen
        bound = self._load_factor * max(1.0, sum(loads) / len(loads))
        homes = 0
        for rank, load in enumerate(loads):
            if load <= bound:
                chosen.add(rank)
                homes += 1
                if homes == HOMES:
                    break
        held = case.held
        if held:
            holders = [
                (-held[candidate.replica_id].depth, rank) for rank, candidate in enumerate(allowed) if candidate.replica_id in held
            ]
            holders.sort()
            chosen.update([rank for _, rank in holders[:HOLDERS]])
        return chosen

    def _with_adapter(self, adapter: bytes, allowed: Sequence[Candidate], loads: list[float]) -> list[int]:
        """Places of the least loaded replicas that have the adapter."""
        holders = [rank for rank, candidate in enumerate(allowed) if self._adapters.holds(candidate.replica_id, adapter)]
        return sorted(holders, key=loads.__getitem__)[:ADAPTER_HOLDERS]

    def _shortest(self, allowed: Sequence[Candidate], loads: list[float], load_s: float, now_s: float) -> set[int]:
        """Places of those with the shortest wait among the least loaded."""
        backlogs = self._backlogs
        waits: list[tuple[float, int]] = []
        enough_s = inf
        for rank in sorted(range(len(loads)), key=loads.__getitem__)[:LOOKED_AT]:
            by_load_s = load_s * loads[rank]
            if by_load_s > enough_s:
                break  # and so are all that follow
            backlog = backlogs.get(allowed[rank].replica_id)
            waits.append((by_load_s + (backlog.wait_s(now_s) if backlog is not None else 0.0), rank))
            if len(waits) >= SHORTEST:
                waits.sort()
                del waits[SHORTEST:]
                enough_s = waits[-1][0]
        return {rank for _, rank in waits}

    def _expected(self, case: _Case, replica_id: str) -> float:
        """Tokens of the prompt that are likely to be found at a replica."""
        what = case.held.get(replica_id)
        cached = 0.0
        if what is not None and what.tokens is not None:
            return min(what.tokens, case.tokens)
        if what is not None:
            cached = self._tokens_at(what.depth, case.ticket.prompt_bytes) * self.rates.survival(what.age_s)
        if replica_id == case.home:
            cached += case.home_tokens
        return min(cached, case.tokens)

    def _best_expected(self, case: _Case) -> float:
        """The most that is likely to be found at any replica that is known to hold something."""
        if not case.held:
            return 0.0
        # Those that hold equally much share one entry.
        holders = {id(held): replica_id for replica_id, held in case.held.items()}
        return max([self._expected(case, holder) for holder in holders.values()])

    def _believed(self, what: Held, prompt_bytes: int, tokens: float) -> float:
        """Tokens of a prompt of ``tokens`` that a replica holds, without any doubts."""
        return min(tokens, self._tokens_at(what.depth, prompt_bytes) if what.tokens is None else what.tokens)

    def _tokens_at(self, depth: int, prompt_bytes: int) -> float:
        """Tokens of the first ``depth`` blocks of a prompt."""
        if depth == 0:
            return 0.0
        if len(self._ends) < depth:
            self._ends = list(block_ends(max(1 << 20, 2 * prompt_bytes), self._block_bytes))
        return self._ends[depth - 1] / self.rates.bytes_per_token

    def _wait_ms(self, replica_id: str, now_s: float) -> float:
        backlog = self._backlogs.get(replica_id)
        return backlog.wait_s(now_s) * 1000.0 if backlog is not None else 0.0

    def _founding_ms(self, case: _Case, replica_id: str, missing: float) -> float:
        """What it costs to begin something new at a replica: what follows this prompt will go where it goes.

        The usual wait there; and ``missing`` tokens hold up more where more will come, which is where most was sent lately.
        """
        rates, utilization = self.rates, self._utilization(replica_id, case.now_s)
        weight = self._recompute_weight * rates.recomputed / case.uses
        held_up_ms = rates.prefill_ms_per_token * missing * weight * (rates.behind_at(utilization) - rates.behind)
        return rates.usual_wait_ms(utilization) + held_up_ms

    def _utilization(self, replica_id: str, now_s: float) -> float:
        backlog = self._backlogs.get(replica_id)
        return backlog.utilization(now_s, self.rates.gateways) if backlog is not None else 0.0

    # --- what became of it ------------------------------------------------------------------------------------------------

    def routed(self, ticket: RouteTicket, replica_id: str, now_s: float) -> None:
        case = ticket.notes
        if not isinstance(case, _Case):
            return
        ticket.notes = None
        what = case.held.get(replica_id)
        # What was believed without doubts: the doubts are learned from how far it was wrong.
        cached = self._believed(what, ticket.prompt_bytes, case.tokens) if what is not None else 0.0
        expected = self._expected(case, replica_id)
        prefill_ms = self.rates.prefill_ms_per_token * (case.tokens - expected)
        best_expected = self._best_expected(case)
        ticket.estimate = RouteEstimate(
            prompt_tokens=int(case.tokens),
            cached_tokens=int(cached),
            best_cached_tokens=int(case.best_tokens),
            age_s=what.age_s if what is not None else 0.0,
            wait_ms=self._wait_ms(replica_id, now_s),
            prefill_ms=prefill_ms,
            load=case.loads.get(replica_id, 0.0),
            forced_off=best_expected - expected >= FORCED_OFF_TOKENS,
            home=replica_id == case.home,
            told=what is not None and what.tokens is not None,
            memory_entries=self.index_entries,
            memory_bytes=self.index_bytes,
        )
        ticket.settled()
        if ticket.adapter:
            self._adapters.sent(replica_id, ticket.adapter)
        self._own_load += 1
        backlog = self._backlogs.setdefault(replica_id, Backlog())
        # What other gateways send is known in parts only; on average it is like what this one does.
        gateways = self.rates.gateways
        answering = max(0.0, case.loads.get(replica_id, 0.0) - backlog.prompts * gateways)
        utilization = self._utilization(replica_id, now_s)
        before_s = backlog.sent(id(ticket), prefill_ms / 1000.0, int(case.tokens - expected), now_s, watched=ticket.streamed)
        self.rates.sent(prefill_ms, before_s * 1000.0 * gateways, answering, utilization)
        if ticket.anchor:
            self._index.add(ticket.org, ticket.chain, replica_id, now_s)

    def first_token(self, ticket: RouteTicket, now_s: float) -> None:
        replica_id = ticket.replica_id
        if replica_id in self._backlogs and self._backlogs[replica_id].computed(id(ticket), now_s) and ticket.anchor:
            self._index.computed(ticket.chain, replica_id)

    def finished(self, ticket: RouteTicket, answer: Answer | None, now_s: float) -> None:
        self.first_token(ticket, now_s)
        estimate, replica_id = ticket.estimate, ticket.replica_id
        if estimate is None or replica_id is None:
            return
        self._own_load -= 1
        if ticket.anchor and not ticket.streamed:
            # Nobody saw when its prompt was computed; by now it has been, or won't be.
            self._index.computed(ticket.chain, replica_id)
        if answer is None:
            # It may never have been computed.
            depth = sum(1 for end in self._ends[: len(ticket.chain)] if end <= estimate.cached_tokens * self.rates.bytes_per_token)
            self._index.truncate(ticket.org, ticket.chain, replica_id, depth)
            return
        self._learn(estimate, answer, ticket)

    def _learn(self, estimate: RouteEstimate, answer: Answer, ticket: RouteTicket) -> None:
        rates = self.rates
        rates.prompt(ticket.prompt_bytes, answer.prompt_tokens)
        uncached = answer.prompt_tokens - answer.cached_tokens
        if answer.prefill_s is not None and uncached >= CALIBRATION_TOKENS:
            rates.prefill(uncached, answer.prefill_s)
        if answer.queue_s is not None and estimate.wait_ms <= 0.0:
            rates.step_wait(answer.queue_s, estimate.load)
        if answer.decode_s is not None and ticket.streamed:
            rates.decoded(answer.completion_tokens, answer.decode_s, estimate.load)
        if not ticket.anchor:
            return
        rates.computed(uncached, max(0, estimate.cached_tokens - answer.cached_tokens))
        if estimate.cached_tokens > 0 and not estimate.told:
            rates.found(estimate.age_s, answer.cached_tokens / estimate.cached_tokens)
        unknown = answer.prompt_tokens - estimate.best_cached_tokens
        if estimate.home and 2 * unknown > answer.prompt_tokens:
            share = (answer.cached_tokens - estimate.best_cached_tokens) / unknown
            rates.unknown_at_home(min(1.0, max(0.0, share)))

    def reported(self, replica_id: str, report: ReplicaReport, now_s: float) -> None:
        backlog = self._backlogs.setdefault(replica_id, Backlog())
        backlog.reported(report.pending_tokens, report.given_tokens, self.rates.prefill_ms_per_token / 1000.0, now_s)
        self._hearsay.add(report.marks, replica_id, now_s)
        self._adapters.reported(replica_id, report.adapters, report.adapter_load_ms)

    def forget(self, replica_id: str) -> None:
        self._index.forget(replica_id)
        self._backlogs.pop(replica_id, None)
        self._hearsay.forget(replica_id)
        self._adapters.forget(replica_id)
