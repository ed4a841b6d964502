from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.routing.anchors import MIN_REQUESTS, AnchorChooser
from cluster.routing.policy import Candidate
from cluster.routing.rendezvous import rendezvous_order
from tests.unit.routing.traffic import THRESHOLD_BLOCKS, anchors_by_speaker, blocks, chooser, conversations

REPLICAS = 8
SYSTEM_PROMPT = blocks("system", 20)


def home(anchor: bytes, replicas: int = REPLICAS) -> str:
    return rendezvous_order(anchor, [Candidate(f"replica-{number}") for number in range(replicas)])[0].replica_id


def test_the_anchor_is_the_block_at_the_affinity_threshold() -> None:
    chain = blocks("prompt", 30)
    assert chooser().choose("org", "model", chain, REPLICAS) == chain[THRESHOLD_BLOCKS - 1]


def test_a_prompt_shorter_than_the_threshold_is_anchored_at_its_end() -> None:
    chain = blocks("prompt", 3)
    assert chooser().choose("org", "model", chain, REPLICAS) == chain[-1]
    assert chooser().choose("org", "model", (), REPLICAS) == b""


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(2, 12), st.integers(1, 12), st.sampled_from([1, 2, 8, 64]), st.integers(0, 2**32))
def test_a_growing_conversation_never_changes_its_anchor(count: int, turns: int, own_blocks: int, replicas: int, seed: int) -> None:
    """Whatever the others do: here all share one system prompt, which becomes crowded while they speak."""
    talk = conversations(count, turns, lambda _: SYSTEM_PROMPT, seed, own_blocks=own_blocks)
    for anchors in anchors_by_speaker(talk, [chooser()], replicas).values():
        assert len(set(anchors)) == 1


def test_conversations_behind_a_system_prompt_that_all_share_spread_over_the_replicas() -> None:
    talk = conversations(400, 5, lambda _: SYSTEM_PROMPT, seed=1)
    homes = Counter(home(anchors[-1]) for anchors in anchors_by_speaker(talk, [chooser()], REPLICAS).values())
    assert len(homes) == REPLICAS
    assert max(homes.values()) < 2.5 * 400 / REPLICAS


def test_a_first_block_that_all_requests_share_sends_them_nowhere_in_particular() -> None:
    """As in traces where a short fixed opening precedes every prompt: it is below the threshold and decides nothing."""
    gateway = chooser()
    opening = blocks("opening", 4)
    homes = Counter(
        home(gateway.choose("org", "model", opening + blocks(f"prompt-{number}", 20), REPLICAS)) for number in range(2000)
    )
    assert len(homes) == REPLICAS
    assert max(homes.values()) < 1.3 * 2000 / REPLICAS


def test_questions_on_one_of_many_documents_share_its_anchor() -> None:
    """150 organizations with a long prefix each: below a replica's share, so that each prefix is cached once."""
    gateway = chooser()
    rng = random.Random(2)
    anchors: dict[int, set[bytes]] = {org: set() for org in range(150)}
    for question in range(3000):
        org = rng.randrange(150)
        chain = blocks(f"document-{org}", 48) + blocks(f"question-{question}", 9)
        anchors[org].add(gateway.choose(f"org-{org}", "model", chain, REPLICAS))
    assert [len(found) for found in anchors.values()] == [1] * 150


def test_forks_of_a_conversation_stay_with_it() -> None:
    gateway = chooser()
    others = conversations(200, 3, lambda number: blocks(f"system-{number}", 20), seed=3)
    anchors_by_speaker(others, [gateway], REPLICAS)
    trunk = blocks("trunk", 80)
    first = gateway.choose("org", "model", trunk, REPLICAS)
    forks = {gateway.choose("org", "model", trunk + blocks(f"fork-{number}", 5), REPLICAS) for number in range(20)}
    assert forks == {first}


def test_a_lone_conversation_is_not_crowded_by_itself() -> None:
    talk = conversations(1, 5 * MIN_REQUESTS, lambda _: SYSTEM_PROMPT, seed=4, own_blocks=1)
    anchors = anchors_by_speaker(talk, [chooser()], REPLICAS)["conversation-4-0"]
    assert set(anchors) == {SYSTEM_PROMPT[THRESHOLD_BLOCKS - 1]}


def test_gateways_agree_on_uncrowded_prefixes_from_the_first_request_on() -> None:
    talk = conversations(300, 6, lambda number: blocks(f"system-{number % 100}", 20), seed=5)
    gateways = [chooser() for _ in range(4)]
    for anchors in anchors_by_speaker(talk, gateways, REPLICAS).values():
        assert len(set(anchors)) == 1


def test_gateways_agree_on_a_crowded_prefix_once_each_has_seen_enough() -> None:
    gateways = [chooser() for _ in range(4)]
    warm_up = conversations(200, 3, lambda _: SYSTEM_PROMPT, seed=6)
    anchors_by_speaker(warm_up, gateways, REPLICAS)
    talk = conversations(300, 6, lambda _: SYSTEM_PROMPT, seed=7)
    for anchors in anchors_by_speaker(talk, gateways, REPLICAS).values():
        assert len(set(anchors)) == 1


def test_while_gateways_learn_that_a_prefix_is_crowded_few_conversations_move() -> None:
    talk = conversations(600, 8, lambda _: SYSTEM_PROMPT, seed=8)
    found = anchors_by_speaker(talk, [chooser() for _ in range(4)], REPLICAS)
    torn = sum(len(set(anchors[1:])) > 1 for anchors in found.values())
    assert torn <= 0.1 * len(found)


def test_a_prefix_that_cools_down_is_shared_again() -> None:
    gateway = chooser()
    anchors_by_speaker(conversations(200, 3, lambda _: SYSTEM_PROMPT, seed=9), [gateway], REPLICAS)
    while_crowded = gateway.choose("org", "model", SYSTEM_PROMPT + blocks("new-1", 5), REPLICAS)
    anchors_by_speaker(conversations(2000, 2, lambda n: blocks(f"other-{n}", 20), seed=10), [gateway], REPLICAS)
    gateway.choose("org", "model", SYSTEM_PROMPT + blocks("new-2", 5), REPLICAS)
    afterwards = gateway.choose("org", "model", SYSTEM_PROMPT + blocks("new-3", 5), REPLICAS)
    assert while_crowded == b"new-1.0"
    assert afterwards == SYSTEM_PROMPT[THRESHOLD_BLOCKS - 1]


def test_one_replica_needs_no_crowding() -> None:
    talk = conversations(200, 3, lambda _: SYSTEM_PROMPT, seed=11)
    many = {anchors[-1] for anchors in anchors_by_speaker(talk, [chooser()], 1).values()}
    assert len({home(anchor, 1) for anchor in many}) == 1


def test_models_are_counted_apart() -> None:
    """A prefix that is busy on one model says nothing about requests of another."""
    gateway = chooser()
    for number in range(500):
        gateway.choose("org", "busy", blocks(f"b{number}", 20), REPLICAS)
    chain = SYSTEM_PROMPT + blocks("new", 5)
    for _ in range(20):
        assert gateway.choose("org", "quiet", chain, REPLICAS) == SYSTEM_PROMPT[THRESHOLD_BLOCKS - 1]


@pytest.mark.parametrize("entries", [1000, 5000])
def test_memory_stays_within_its_bound(entries: int) -> None:
    gateway = AnchorChooser(entries, 1024, 512)
    for number in range(500):
        gateway.choose(f"org-{number % 7}", "model", blocks(f"p{number}", 60), REPLICAS)
    assert 0 < gateway.entries <= entries
