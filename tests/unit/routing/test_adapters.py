"""Requests for an adapter prefer replicas that have loaded it, at a price."""

from __future__ import annotations

from cluster.routing.adapters import adapter_tag
from cluster.routing.pending import LoadReport, PendingPrompts
from cluster.routing.policies import PricedAffinity
from cluster.routing.policy import Candidate, ReplicaReport
from cluster.routing.ticket import RouteTicket

TAG = adapter_tag("ft:base:org_a:x:0123456789abcdef")
OTHER = adapter_tag("ft:base:org_a:y:0123456789abcdef")
NAMES = tuple("abcdefgh")


def policy(load_ms: float = 50.0) -> PricedAffinity:
    return PricedAffinity(1.25, 10_000, 512, seed=1, adapter_load_ms=load_ms)


def tell(of: PricedAffinity, replica_id: str, *tags: bytes, load_ms: float = 0.0) -> None:
    of.reported(replica_id, ReplicaReport(0.0, 0, (), tags, load_ms), 0.0)


def choose(of: PricedAffinity, tag: bytes = TAG, loads: dict[str, float] | None = None) -> str:
    candidates = [Candidate(name, (loads or {}).get(name, 0.0)) for name in NAMES]
    return of.choose(RouteTicket(adapter=tag), candidates, 0.0)[0].replica_id


def chosen(of: PricedAffinity, tag: bytes = TAG, loads: dict[str, float] | None = None) -> set[str]:
    return {choose(of, tag, loads) for _ in range(40)}


def test_a_short_prompt_goes_where_its_adapter_is() -> None:
    priced = policy()
    tell(priced, "f", TAG)
    assert chosen(priced) == {"f"}


def test_load_can_cost_more_than_loading() -> None:
    priced = policy(load_ms=1.0)
    tell(priced, "f", TAG)
    assert "f" not in chosen(priced, loads={"f": 50.0})
    dear = policy(load_ms=1e6)
    tell(dear, "f", TAG)
    assert chosen(dear, loads={"f": 50.0}) == {"f"}


def test_what_replicas_have_measured_counts_for_more_than_the_setting() -> None:
    priced = policy(load_ms=1e6)
    for name in NAMES:
        tell(priced, name, *([TAG] if name == "f" else []), load_ms=0.5)
    assert "f" not in chosen(priced, loads={"f": 50.0})


def test_of_two_that_have_it_the_less_loaded_one_is_taken() -> None:
    priced = policy(load_ms=1e6)
    tell(priced, "f", TAG)
    tell(priced, "g", TAG)
    assert chosen(priced, loads={"f": 2.0}) == {"g"}


def test_where_nobody_has_it_all_gateways_send_it_to_the_same_replica() -> None:
    (first,) = chosen(policy())
    assert chosen(PricedAffinity(1.25, 10_000, 512, seed=99, adapter_load_ms=50.0)) == {first}
    assert {choose(policy(), adapter_tag(str(number))) for number in range(40)} > {first}


def test_a_replica_counts_as_holding_what_it_was_just_sent() -> None:
    priced = policy(load_ms=1e6)
    candidates = [Candidate(name) for name in NAMES]
    ticket = RouteTicket(adapter=TAG)
    priced.choose(ticket, candidates, 0.0)
    ticket.routed_to("h")
    priced.routed(ticket, "h", 0.0)
    assert chosen(priced, loads={"h": 1.0}) == {"h"}


def test_what_a_replica_drops_and_a_replica_that_is_gone_are_forgotten() -> None:
    priced = policy(load_ms=1e6)
    tell(priced, "f", TAG)
    tell(priced, "f", OTHER)
    assert chosen(priced, OTHER, {"f": 3.0}) == {"f"}
    assert "f" not in chosen(priced, TAG, {"f": 3.0})
    priced.forget("f")
    assert "f" not in chosen(priced, OTHER, {"f": 3.0})


def test_requests_without_an_adapter_pay_nothing() -> None:
    priced = policy(load_ms=1e6)
    tell(priced, "f", TAG)
    assert len(chosen(priced, b"")) > 2


def test_a_prompt_that_is_cached_somewhere_weighs_against_the_load() -> None:
    priced = policy(load_ms=1.0)
    chain = tuple([bytes([number]) * 16 for number in range(200)])
    candidates = [Candidate(name) for name in NAMES]
    first = RouteTicket(anchor=chain[7], chain=chain, prompt_bytes=512 * 200, org="org", adapter=TAG)
    priced.choose(first, candidates, 0.0)
    first.routed_to("c")
    priced.routed(first, "c", 0.0)
    tell(priced, "c")
    tell(priced, "f", TAG)
    again = RouteTicket(anchor=chain[7], chain=chain, prompt_bytes=512 * 200, org="org", adapter=TAG)
    assert priced.choose(again, candidates, 1.0)[0].replica_id == "c"


def test_replicas_tell_of_adapters_on_both_ways() -> None:
    pending = PendingPrompts()
    changes = 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    pending.on_change = changed
    pending.adapters_changed((TAG,), 12.5)
    pending.adapters_changed((TAG,), 12.5)
    assert changes == 1
    assert pending.news(0.0) == LoadReport(1, 0, 0.0, 0, (), (TAG,), 12.5)
    assert LoadReport.of_stats(pending.stats(0.0)) == pending.news(0.0)
