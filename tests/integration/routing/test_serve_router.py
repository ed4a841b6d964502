"""The router inside a real Ray Serve: what stand-ins in the unit tests can't show."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import Any

import pytest
import ray

from cluster.routing.ticket import NEW_MARKS, Affinity, ArrivedTicket
from tests.integration.routing.cluster import MAX_ONGOING, PROMPT_TOKENS, REPLICAS, Outcome, wait_until_idle, wait_until_preferred

pytestmark = pytest.mark.integration

ANCHORS = [bytes([number]) * 16 for number in range(24)]
FRESH = [bytes([number]) * 16 for number in range(100, 124)]
TIMEOUT_S = 60
HEARD_OF_S = 2.0
"""Within that time a replica's report reaches all gateways."""


def send(gateway: Any, anchor: bytes, **more: Any) -> Outcome:
    outcome: Outcome = ray.get(gateway.send.remote(anchor, **more), timeout=TIMEOUT_S)
    return outcome


def test_a_prefix_stays_where_it_was_first_whichever_gateway_it_comes_through(gateways: list[Any]) -> None:
    homes: dict[bytes, set[str]] = {anchor: set() for anchor in FRESH}
    for gateway in (gateways[0], gateways[1], gateways[0]):
        for anchor in FRESH:
            outcome = send(gateway, anchor)
            homes[anchor].add(outcome.arrival.replica_id)
            assert outcome.replica_id == outcome.arrival.replica_id
            assert outcome.affinity in (Affinity.HOME, Affinity.KNOWN, Affinity.SPILLED)
            assert outcome.decision_s > 0.0
        time.sleep(HEARD_OF_S)
    assert all(len(replicas) == 1 for replicas in homes.values())
    assert len({replica for replicas in homes.values() for replica in replicas}) > 1


def test_a_replica_gets_the_ticket_without_its_chain(gateways: list[Any]) -> None:
    ticket = send(gateways[0], b"T" * 16).arrival.ticket
    assert isinstance(ticket, ArrivedTicket)
    assert ticket.chain == ()
    assert 6 <= len(ticket.marks) <= 6 + NEW_MARKS
    assert ticket.marks[-1] == b"T" * 16
    assert ticket.uncached_tokens == pytest.approx(PROMPT_TOKENS, rel=0.2)


def test_requests_without_anchor_or_ticket_are_spread(gateways: list[Any]) -> None:
    outcomes: list[Outcome] = ray.get([gateways[0].send.remote() for _ in range(40)], timeout=TIMEOUT_S)
    assert {(outcome.rank, outcome.affinity) for outcome in outcomes} == {(None, Affinity.NONE)}
    assert len({outcome.arrival.replica_id for outcome in outcomes}) == REPLICAS
    arrivals = ray.get([gateways[0].send_without_ticket.remote() for _ in range(40)], timeout=TIMEOUT_S)
    assert len({arrival.replica_id for arrival in arrivals}) == REPLICAS


def test_a_hot_prefix_fills_its_home_and_spills_to_the_same_second_one_over_both_gateways(gateways: list[Any]) -> None:
    """Waiting with a few others costs less than computing the prompt elsewhere, so the home's limit is what moves them."""
    anchor = b"H" * 16
    homes = set()
    for gateway in gateways:
        outcomes: list[Outcome] = ray.get(gateway.open.remote([anchor] * 7, 60.0), timeout=TIMEOUT_S)
        counts = Counter(outcome.arrival.replica_id for outcome in outcomes)
        assert sorted(counts.values()) == [MAX_ONGOING - 1, MAX_ONGOING]
        assert {outcome.affinity for outcome in outcomes[1:MAX_ONGOING]} <= {Affinity.HOME, Affinity.KNOWN}
        homes.add(frozenset(counts))
        ray.get(gateway.cancel.remote(), timeout=TIMEOUT_S)
        for other in gateways:  # what it still counts as running elsewhere would send its requests past the second home
            wait_until_idle(other)
        for other in gateways:
            wait_until_preferred(other, anchor, counts)
    assert len(homes) == 1


def test_both_gateways_together_fill_every_replica_and_none_beyond_its_limit(gateways: list[Any]) -> None:
    """Each gateway knows half of the load; replicas refuse what is too much, and the router finds room elsewhere."""
    half = MAX_ONGOING * REPLICAS // 2
    both: list[list[Outcome]] = ray.get(
        [gateway.send_all.remote([ANCHORS[5]] * half, 6.0) for gateway in gateways], timeout=TIMEOUT_S
    )
    counts = Counter(outcome.arrival.replica_id for outcomes in both for outcome in outcomes)
    assert sorted(counts.values()) == [MAX_ONGOING] * REPLICAS


def test_requests_beyond_all_slots_wait_and_are_then_served(gateways: list[Any]) -> None:
    total = MAX_ONGOING * REPLICAS + 6
    outcomes: list[Outcome] = ray.get(gateways[0].send_all.remote([ANCHORS[7]] * total, 0.5), timeout=TIMEOUT_S)
    assert len(outcomes) == total


def test_an_excluded_replica_is_passed_over_for_another(gateways: list[Any]) -> None:
    first = send(gateways[0], ANCHORS[9])
    second = send(gateways[0], ANCHORS[9], excluded=frozenset({first.arrival.replica_id}))
    assert second.arrival.replica_id in set(first.home_order) - {first.arrival.replica_id}


def test_when_a_replica_is_killed_its_prefixes_go_elsewhere_and_others_stay(gateways: list[Any]) -> None:
    before = {anchor: send(gateways[0], anchor).arrival for anchor in ANCHORS}
    time.sleep(HEARD_OF_S)  # until then the other gateway may find a new prompt another place
    victim = before[ANCHORS[0]]
    os.kill(victim.pid, signal.SIGKILL)
    for gateway in gateways:
        for anchor in ANCHORS:
            outcome = send(gateway, anchor)
            if before[anchor].replica_id == victim.replica_id:
                assert outcome.arrival.replica_id != victim.replica_id
            else:
                assert outcome.arrival.replica_id == before[anchor].replica_id
