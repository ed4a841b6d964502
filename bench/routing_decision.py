"""What routing costs a gateway: the decision by number of replicas (the policy alone, and all of the Ray Serve router), the
prefix chain and the anchor by length of prompt.

    python bench/routing_decision.py [--json FILE]

Every figure is the median of ``ROUNDS`` rounds, in microseconds of processor time, so that other work on the machine hardly shows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from ray.serve._private.common import DeploymentHandleSource, DeploymentID, RequestMetadata
from ray.serve.request_router import PendingRequest, ReplicaID

from cluster.config.schema import PromptCacheSettings, Retention
from cluster.inference.request_router import PrefixRouter
from cluster.prompt_cache import SaltDeriver
from cluster.routing.anchors import AnchorChooser
from cluster.routing.chain import prefix_chain
from cluster.routing.policies import LeastLoaded, PrefixAffinity
from cluster.routing.policy import Candidate
from cluster.routing.ticket import RouteTicket

ROUNDS = 9


def microseconds(work: Callable[[], object], calls: int) -> float:
    """Median processor time of one call."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(calls):
            work()
        rounds.append((time.thread_time() - started) / calls * 1e6)
    return statistics.median(rounds)


def decision(replicas: int, *, anchored: bool) -> float:
    rng = random.Random(1)
    policy = PrefixAffinity(1.25, LeastLoaded(seed=1))
    candidates = [Candidate(f"replica-{number}", load=rng.randrange(40)) for number in range(replicas)]

    def decide() -> None:
        policy.choose(RouteTicket(anchor=rng.randbytes(16) if anchored else b""), candidates, 0.0)

    return microseconds(decide, 1000)


class RunningReplicaStub:
    """What the router reads of a running replica."""

    max_ongoing_requests = 100
    routing_stats: dict[str, float] = {}

    def __init__(self, name: str, deployment: DeploymentID) -> None:
        self.replica_id = ReplicaID(unique_id=name, deployment_id=deployment)

    async def get_queue_len(self, *, deadline_s: float) -> int:
        return 0


async def router_decision(replicas: int) -> float:
    deployment = DeploymentID(name="engine", app_name="bench")
    router = PrefixRouter(deployment, DeploymentHandleSource.REPLICA, use_replica_queue_len_cache=True)
    router.initialize_state()
    router.update_replicas([RunningReplicaStub(f"replica-{number}", deployment) for number in range(replicas)])
    await asyncio.sleep(0.5)  # until the queue lengths are known
    running = list(router.curr_replicas.values())
    metadata = RequestMetadata(request_id="", internal_request_id="")
    requests = [PendingRequest([], {"ticket": RouteTicket(anchor=os.urandom(16))}, metadata) for _ in range(300)]

    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for request in requests:
            await router.choose_replicas(running, request)
        rounds.append((time.thread_time() - started) / len(requests) * 1e6)
    return statistics.median(rounds)


def chain(prompt_bytes: int) -> float:
    prompt = os.urandom(prompt_bytes)
    return microseconds(lambda: prefix_chain(b"k" * 32, "model", None, prompt, 512), max(5, 2_000_000 // (prompt_bytes + 5000)))


def anchor(prompt_bytes: int) -> float:
    """A conversation of that length whose last turn is new: the common case."""
    chooser = AnchorChooser(200_000, 1024, 512)
    trunk = prefix_chain(b"k" * 32, "model", None, os.urandom(prompt_bytes), 512)

    def choose() -> None:
        chooser.choose("org", "model", (*trunk, os.urandom(16), os.urandom(16)), 8)

    return microseconds(choose, 500)


def salt() -> float:
    salts = SaltDeriver(b"s" * 32, PromptCacheSettings())
    prompt = os.urandom(60_000)

    def derive() -> None:
        salts.salt("org", "model", Retention.IN_MEMORY, salts.anchor_of("org", prompt), None)
        salts.routing_key("org", Retention.IN_MEMORY, None, None)

    return microseconds(derive, 2000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()

    figures: dict[str, float] = {}
    for replicas in (3, 16, 64):
        figures[f"decision with anchor, {replicas} replicas"] = decision(replicas, anchored=True)
        figures[f"decision without anchor, {replicas} replicas"] = decision(replicas, anchored=False)
        figures[f"in Ray Serve's router, {replicas} replicas"] = asyncio.run(router_decision(replicas))
    for prompt_bytes in (600, 60_000, 600_000):
        figures[f"prefix chain, {prompt_bytes} bytes"] = chain(prompt_bytes)
    for prompt_bytes in (6_000, 60_000, 600_000):
        figures[f"anchor, {prompt_bytes} bytes"] = anchor(prompt_bytes)
    figures["salt and routing key"] = salt()

    for name, value in figures.items():
        print(f"{name:<42}{value:>10.1f} µs")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
