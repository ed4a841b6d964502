from __future__ import annotations

import pickle

import pytest

from cluster.routing.policies import PricedAffinity
from cluster.routing.policies.by_name import AFFINITY, PolicyOptions, policy_by_name
from cluster.routing.policy import Candidate
from cluster.routing.precise_index import NEWS_S, PreciseIndex
from cluster.routing.prefix_index import Held
from cluster.routing.residency.report import Report, pack
from cluster.routing.residency.table import ResidencyTable
from cluster.routing.soft_index import SoftIndex
from cluster.routing.ticket import Answer, ArrivedTicket, RouteTicket

LATER_S = 100.0 + NEWS_S
"""When news of what was sent at 100 s and computed at once are here."""


def chain(blocks: int, seed: int = 0) -> tuple[bytes, ...]:
    return tuple(bytes([seed, number]).ljust(16, b"\0") for number in range(blocks))


def told(table: ResidencyTable, replica_id: str, tokens: dict[bytes, int], number: int = 1) -> None:
    table.apply(replica_id, Report(1, number, pack(tokens), whole=number == 1))


def precise() -> PreciseIndex:
    return PreciseIndex(SoftIndex(1000), ResidencyTable(1000))


def test_what_an_engine_told_goes_before_what_was_believed() -> None:
    index = precise()
    index.add("org", chain(4), "a", 100.0)
    index.computed(chain(4), "a")
    told(index.table, "a", {chain(4)[1]: 230})
    assert index.lookup("org", chain(4), LATER_S) == {"a": Held(2, NEWS_S, 230)}


def test_what_was_evicted_is_not_believed_while_somebody_else_has_it() -> None:
    index = precise()
    index.add("org", chain(4), "a", 100.0)
    index.computed(chain(4), "a")
    told(index.table, "a", dict.fromkeys(chain(4), 0))
    told(index.table, "b", {chain(4)[3]: 500})
    assert index.lookup("org", chain(4), LATER_S) == {"b": Held(4, 0.0, 500)}


def test_what_nobody_has_any_more_goes_where_it_was_last() -> None:
    index = precise()
    index.add("org", chain(4), "a", 100.0)
    index.computed(chain(4), "a")
    told(index.table, "a", dict.fromkeys(chain(4), 0))
    told(index.table, "b", {})
    assert index.lookup("org", chain(4), LATER_S) == {"a": Held(4, NEWS_S)}


def test_what_nothing_was_told_of_is_believed() -> None:
    index = precise()
    index.add("org", chain(4), "a", 100.0)
    index.computed(chain(4), "a")
    index.add("org", chain(4), "silent", 100.0)
    told(index.table, "a", {})
    assert index.lookup("org", chain(4), LATER_S) == {"a": Held(4, NEWS_S), "silent": Held(4, NEWS_S)}


def test_what_still_waits_is_believed_however_long_it_takes() -> None:
    index = precise()
    told(index.table, "a", {chain(4)[0]: 120})
    index.add("org", chain(4), "a", 100.0)
    index.add("org", chain(4), "a", 101.0)
    index.computed(chain(4), "a")
    assert index.lookup("org", chain(4), 160.0) == {"a": Held(4, 59.0)}
    index.computed(chain(4), "a")
    assert index.lookup("org", chain(4), 160.0) == {"a": Held(1, 59.0, 120)}
    assert not index._sent["a"]


def test_what_was_just_computed_is_believed_until_the_engine_can_have_told() -> None:
    index = precise()
    told(index.table, "a", {chain(4)[0]: 120})
    index.add("org", chain(4), "a", 100.0)
    index.computed(chain(4), "a")
    assert index.lookup("org", chain(4), 101.0) == {"a": Held(4, 1.0)}
    assert index.lookup("org", chain(4), LATER_S) == {"a": Held(1, NEWS_S, 120)}


def test_what_other_gateways_put_there_is_known() -> None:
    index = precise()
    told(index.table, "a", {chain(4)[3]: 500})
    assert index.lookup("org", chain(9), 0.0) == {"a": Held(4, 0.0, 500)}


def test_a_replica_that_is_gone_is_forgotten_by_both() -> None:
    index = precise()
    index.add("org", chain(4), "a", 100.0)
    told(index.table, "a", {chain(4)[3]: 500})
    index.forget("a")
    assert index.lookup("org", chain(4), LATER_S) == {}


def _ticket(blocks: int = 40) -> RouteTicket:
    return RouteTicket(anchor=chain(blocks)[8], chain=chain(blocks), prompt_bytes=blocks * 512, org="org")


def test_the_priced_decision_goes_where_the_engine_says_it_is() -> None:
    table = ResidencyTable(1000)
    policy = policy_by_name(AFFINITY, PolicyOptions(seed=1, residency=table))
    candidates = [Candidate(name) for name in "abcdef"]
    for name in "abcdef":
        told(table, name, {})
    holder = policy.choose(_ticket(), candidates, 0.0)[-1].replica_id
    told(table, holder, {chain(40)[39]: 5000}, number=2)
    ticket = _ticket()
    assert policy.choose(ticket, candidates, 0.0)[0].replica_id == holder
    ticket.routed_to(holder)
    policy.routed(ticket, holder, 0.0)
    assert ticket.estimate is not None
    assert ticket.estimate.told
    assert ticket.estimate.cached_tokens == 5000
    # What an engine told teaches nothing about how far to trust belief.
    rates = policy.rates  # type: ignore[attr-defined]
    before = rates.survival(1.0)
    policy.finished(ticket, Answer(prompt_tokens=5120, cached_tokens=0), 1.0)
    assert rates.survival(1.0) == before


def test_replicas_get_the_chain_only_where_they_are_to_tell_of_it() -> None:
    for residency, expected in ((None, ()), (ResidencyTable(1000), chain(40))):
        ticket = _ticket()
        policy_by_name(AFFINITY, PolicyOptions(residency=residency)).choose(ticket, [Candidate("a")], 0.0)
        arrived = pickle.loads(pickle.dumps(ticket))
        assert isinstance(arrived, ArrivedTicket)
        assert arrived.chain == expected
        assert arrived.prompt_bytes == 40 * 512


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("answer", [Answer(prompt_tokens=5000, cached_tokens=0), None])
def test_an_answer_that_came_whole_has_computed_its_prompt_as_well(streamed: bool, answer: Answer | None) -> None:
    """Else it would be waited for as long as the replica lives, and nothing that its engine tells would be believed."""
    table = ResidencyTable(1000)
    policy = policy_by_name(AFFINITY, PolicyOptions(residency=table))
    for number in range(3):
        ticket = RouteTicket(anchor=chain(8)[7], chain=chain(40, number), prompt_bytes=40 * 512, streamed=streamed, org="org")
        policy.choose(ticket, [Candidate("a"), Candidate("b")], 100.0 + number)
        ticket.routed_to("a")
        policy.routed(ticket, "a", 100.0 + number)
        policy.first_token(ticket, 100.5 + number)
        policy.finished(ticket, answer, 100.6 + number)
    assert isinstance(policy, PricedAffinity)
    assert isinstance(policy._index, PreciseIndex)
    assert policy._index._sent == {"a": {}}
