"""What routers remember is bounded, and takes about as much memory as they say."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable

import pytest

from cluster.routing import anchors, hearsay, popularity, soft_index
from cluster.routing.anchors import AnchorChooser
from cluster.routing.hearsay import Hearsay
from cluster.routing.policies import PricedAffinity
from cluster.routing.policy import Candidate, ReplicaReport
from cluster.routing.popularity import Popularity
from cluster.routing.soft_index import SoftIndex
from cluster.routing.ticket import RouteTicket

ENTRIES = 20_000


def filled_index() -> object:
    index = SoftIndex(ENTRIES)
    for number in range(ENTRIES // 50 + 20):
        index.add("org", tuple([os.urandom(16) for _ in range(50)]), f"r{number % 64}", 1000.0 + number)
    assert index.entries == ENTRIES
    return index


def filled_hearsay() -> object:
    heard = Hearsay(ENTRIES)
    for number in range(ENTRIES // 20 + 20):
        heard.add([os.urandom(16) for _ in range(20)], f"r{number % 64}", 1000.5 + number)
    assert len(heard) == ENTRIES
    return heard


def filled_popularity() -> object:
    asked = Popularity(ENTRIES)
    for number in range(ENTRIES + 50):
        asked.asked(os.urandom(16), 1000.5 + number, 60.0)
    assert len(asked) == ENTRIES
    return asked


def filled_anchors() -> object:
    chooser = AnchorChooser(ENTRIES, 1024, 512)
    for _ in range(ENTRIES // 50 + 20):
        chooser.choose("org", "model", tuple([os.urandom(16) for _ in range(57)]), 4)
    assert chooser.entries == ENTRIES
    return chooser


@pytest.mark.parametrize(
    ("fill", "entry_bytes"),
    [
        (filled_anchors, anchors.ENTRY_BYTES),
        (filled_index, soft_index.ENTRY_BYTES),
        (filled_hearsay, hearsay.ENTRY_BYTES),
        (filled_popularity, popularity.ENTRY_BYTES),
    ],
)
def test_an_entry_takes_about_as_much_memory_as_is_reported(fill: Callable[[], object], entry_bytes: int) -> None:
    tracemalloc.start()
    try:
        kept = fill()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept is not None
    assert taken / ENTRIES == pytest.approx(entry_bytes, rel=0.4)  # tables grow by doubling


def test_a_policy_never_remembers_more_than_its_bound_and_reports_what_it_does() -> None:
    policy = PricedAffinity(1.25, 1600, 512, seed=1)
    replicas = [Candidate(f"r{number}") for number in range(4)]
    for number in range(200):
        chain = tuple([os.urandom(16) for _ in range(40)])
        # Asked for twice: what is known already is what becomes popular.
        for _ in range(2):
            ticket = RouteTicket(anchor=chain[7], chain=chain, prompt_bytes=25_000, org=f"org-{number % 5}")
            chosen = policy.choose(ticket, replicas, float(number))[0].replica_id
            ticket.routed_to(chosen)
            policy.routed(ticket, chosen, float(number))
            policy.finished(ticket, None, float(number))
        policy.reported("r0", ReplicaReport(0.0, 0, [os.urandom(16) for _ in range(40)]), float(number))
        assert policy.index_entries <= 1600 + 400 + 100
    assert policy.index_entries > 1600
    assert ticket.estimate is not None
    assert ticket.estimate.memory_entries > 1600
    assert ticket.estimate.memory_bytes == pytest.approx(195 * ticket.estimate.memory_entries, rel=0.1)
