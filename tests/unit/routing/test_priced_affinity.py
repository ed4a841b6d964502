"""What the price of a replica depends on beyond what the conformance suite and the replays show."""

from __future__ import annotations

import os
import pickle

from cluster.routing.policies import PricedAffinity
from cluster.routing.policy import Candidate, ReplicaReport
from cluster.routing.ticket import Answer, RouteTicket

NAMES = ("a", "b", "c")


def ticket(blocks: int = 40, trunk: tuple[bytes, ...] = ()) -> RouteTicket:
    chain = trunk + tuple([os.urandom(16) for _ in range(blocks - len(trunk))])
    return RouteTicket(anchor=chain[7], chain=chain, prompt_bytes=512 * blocks, org="org")


def send(policy: PricedAffinity, of: RouteTicket, replica_id: str, now_s: float) -> None:
    policy.choose(of, [Candidate(name) for name in NAMES], now_s)
    of.routed_to(replica_id)
    policy.routed(of, replica_id, now_s)


def finish(policy: PricedAffinity, of: RouteTicket, now_s: float) -> None:
    policy.first_token(of, now_s)
    policy.finished(of, Answer(of.prompt_bytes // 4, 0), now_s)


def first_choices(policy: PricedAffinity, now_s: float, loads: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> set[str]:
    """Of sixty new prompts."""
    candidates = [Candidate(name, load) for name, load in zip(NAMES, loads, strict=True)]
    return {policy.choose(ticket(), candidates, now_s)[0].replica_id for _ in range(60)}


def with_bursts(policy: PricedAffinity, replica_id: str) -> None:
    """Several long prompts come to one replica at a time, so that each holds up others; then they are all through."""
    for burst in range(6):
        sent = [ticket() for _ in range(4)]
        for one in sent:
            send(policy, one, replica_id, float(burst))
        for one in sent:
            finish(policy, one, burst + 0.8)


def test_new_prompts_keep_away_from_where_most_was_sent_lately() -> None:
    policy = PricedAffinity(1.25, 10_000, 512, seed=1)
    with_bursts(policy, "a")
    assert first_choices(policy, 6.0, loads=(0.0, 1.0, 1.0)) == {"b", "c"}
    assert first_choices(policy, 1000.0, loads=(0.0, 1.0, 1.0)) == {"a"}, "what was long ago counts no more"


def test_what_others_sent_a_replica_counts_as_well() -> None:
    policy = PricedAffinity(1.25, 10_000, 512, seed=1)
    with_bursts(policy, "a")
    for name in NAMES:
        policy.reported(name, ReplicaReport(0.0, 0, ()), 1000.0)
    policy.reported("b", ReplicaReport(0.0, 500_000, ()), 1000.0)
    # "a" was given something long ago; of equals, the one that was given least is left.
    assert first_choices(policy, 1000.0) == {"c"}


def test_a_prompt_that_is_held_somewhere_goes_there_though_much_was_sent_there() -> None:
    policy = PricedAffinity(1.25, 10_000, 512, seed=1)
    with_bursts(policy, "a")
    first = ticket()
    send(policy, first, "a", 6.0)
    finish(policy, first, 6.5)
    again = ticket(44, first.chain)
    assert policy.choose(again, [Candidate(name) for name in NAMES], 7.0)[0].replica_id == "a"


def test_a_request_says_that_load_forced_it_off_its_cache_and_only_then() -> None:
    policy = PricedAffinity(1.25, 10_000, 512, seed=1)
    first = ticket()
    send(policy, first, "a", 0.0)
    finish(policy, first, 0.5)
    for load, forced_off in ((0.0, False), (1e6, True)):
        again = ticket(44, first.chain)
        chosen = policy.choose(again, [Candidate("a", load), Candidate("b"), Candidate("c")], 1.0)[0].replica_id
        assert (chosen != "a") is forced_off
        assert again.arriving().forced_off is forced_off
        assert pickle.loads(pickle.dumps(again)) == again.arriving()
