"""What routing costs a gateway: hashing the prompt, choosing its anchor, deciding among replicas, and learning from the answer.

    python -m bench.routing_decision [--json FILE]

The policy is the one that clusters run, in the state that traffic leaves it in: conversations of many organizations, on replicas of
different loads, with answers that came back. Every figure is in microseconds of processor time: the median of ``ROUNDS`` rounds,
and in parentheses the best one, so that other work on the machine shows little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ray.serve._private.common import DeploymentHandleSource, DeploymentID, RequestMetadata
from ray.serve.request_router import PendingRequest, ReplicaID

from cluster.config.settings.prompt_cache import PromptCacheSettings, Retention
from cluster.inference.request_router import PrefixRouter
from cluster.prompt_cache import SaltDeriver
from cluster.routing.anchors import AnchorChooser
from cluster.routing.chain import depth_at, prefix_chain
from cluster.routing.fleet import Fleet
from cluster.routing.policies.by_name import AFFINITY, PolicyOptions, policy_by_name
from cluster.routing.policy import Policy
from cluster.routing.ticket import Answer, RouteTicket

ROUNDS = 9
FLEETS = (3, 16, 64)
BYTES_PER_TOKEN = 4.4
PROMPTS = {"600 B": 600, "6,000 tokens": int(6_000 * BYTES_PER_TOKEN), "40,000 tokens": int(40_000 * BYTES_PER_TOKEN)}

ORGANIZATIONS = 40
CONVERSATIONS = 240
"""Each begins with its organization's first third of the prompt."""

ROOT_KEY = b"k" * 32


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call, in microseconds of processor time."""

    median: float
    best: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Cost:
        return cls(statistics.median(rounds), min(rounds))


def cost(work: Callable[[], object], calls: int) -> Cost:
    work()
    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(calls):
            work()
        rounds.append((time.thread_time() - started) / calls * 1e6)
    return Cost.of(rounds)


class Traffic:
    """Turns of conversations with prompts of about ``prompt_bytes``, each turn a little longer than the one before."""

    def __init__(self, prompt_bytes: int, replicas: int, seed: int = 1) -> None:
        self._rng = rng = random.Random(seed)
        self._replicas = replicas
        self._anchors = AnchorChooser(200_000, 1024, 512)
        shared = [rng.randbytes(prompt_bytes // 3) for _ in range(ORGANIZATIONS)]
        self._prompts = [
            (number % ORGANIZATIONS, shared[number % ORGANIZATIONS] + rng.randbytes(prompt_bytes - prompt_bytes // 3))
            for number in range(CONVERSATIONS)
        ]

    def turn(self) -> list[RouteTicket]:
        """A ticket for the next turn of each conversation, in random order."""
        self._prompts = [(org, prompt + self._rng.randbytes(600)) for org, prompt in self._prompts]
        self._rng.shuffle(self._prompts)
        return [self._ticket(org, prompt) for org, prompt in self._prompts]

    def _ticket(self, org: int, prompt: bytes) -> RouteTicket:
        if len(prompt) < 4096:
            return RouteTicket(prompt_bytes=len(prompt), org=f"org-{org}")
        chain = prefix_chain(ROOT_KEY, "model", None, prompt, 512)
        anchor = self._anchors.choose(f"org-{org}", "model", chain, self._replicas)
        return RouteTicket(anchor=anchor, chain=chain, prompt_bytes=len(prompt), org=f"org-{org}")


def decide_and_learn(prompt_bytes: int, replicas: int) -> tuple[Cost, Cost]:
    """The decision; all that the policy is told afterwards: routed, first token, finished."""
    rng = random.Random(2)
    traffic = Traffic(prompt_bytes if prompt_bytes > 4096 else 600, replicas)
    policy = policy_by_name(AFFINITY, PolicyOptions(seed=3))
    fleet = Fleet(30.0)
    fleet.update([f"replica-{number:02d}" for number in range(replicas)], 0.0)
    for seat in fleet.seats:
        for _ in range(rng.randrange(20)):
            fleet.sent(seat.replica_id)
    now_s, deciding, learning = 0.0, [], []
    for _ in range(ROUNDS + 1):
        tickets = traffic.turn()
        decided_s = learnt_s = 0.0
        # As many as are on their way at a time.
        for first in range(0, len(tickets), 8):
            now_s += 0.5
            batch = tickets[first : first + 8]
            started = time.thread_time()
            chosen = [policy.choose(ticket, fleet.refresh(now_s), now_s)[0].replica_id for ticket in batch]
            decided_s += time.thread_time() - started
            for ticket, replica_id in zip(batch, chosen, strict=True):
                ticket.routed_to(replica_id)
            started = time.thread_time()
            learn(policy, batch, now_s)
            learnt_s += time.thread_time() - started
        deciding.append(decided_s / len(tickets) * 1e6)
        learning.append(learnt_s / len(tickets) * 1e6)
    # The first turn meets prompts that nobody has seen yet.
    return Cost.of(deciding[1:]), Cost.of(learning[1:])


def learn(policy: Policy, tickets: list[RouteTicket], now_s: float) -> None:
    for ticket in tickets:
        assert ticket.replica_id is not None
        policy.routed(ticket, ticket.replica_id, now_s)
    for ticket in tickets:
        policy.first_token(ticket, now_s + 0.2)
        prompt_tokens = int(ticket.prompt_bytes / BYTES_PER_TOKEN)
        cached_tokens = ticket.estimate.cached_tokens if ticket.estimate is not None else 0
        policy.finished(ticket, Answer(prompt_tokens, min(cached_tokens, prompt_tokens), 0.001, 0.05, 200, 2.0), now_s + 0.3)


class RunningReplicaStub:
    """What the router reads of a running replica."""

    max_ongoing_requests = 100
    routing_stats: dict[str, float] = {}

    def __init__(self, name: str, deployment: DeploymentID) -> None:
        self.replica_id = ReplicaID(unique_id=name, deployment_id=deployment)

    async def get_queue_len(self, *, deadline_s: float) -> int:
        return 0


async def router_decision(prompt_bytes: int, replicas: int) -> Cost:
    """All that Ray Serve's router asks of ours for a request."""
    deployment = DeploymentID(name="engine", app_name="bench")
    router = PrefixRouter(deployment, DeploymentHandleSource.REPLICA, use_replica_queue_len_cache=True)
    router.initialize_state()
    router.update_replicas([RunningReplicaStub(f"replica-{number:02d}", deployment) for number in range(replicas)])
    await asyncio.sleep(0.5)  # until the queue lengths are known
    running = list(router.curr_replicas.values())
    metadata = RequestMetadata(request_id="", internal_request_id="")
    traffic = Traffic(prompt_bytes, replicas)
    rounds = []
    for _ in range(ROUNDS + 1):
        requests = [PendingRequest([], {"ticket": ticket}, metadata) for ticket in traffic.turn()]
        spent_s = 0.0
        for request in requests:
            started = time.thread_time()
            ranks = await router.choose_replicas(running, request)
            spent_s += time.thread_time() - started
            router.on_request_routed(request, ranks[0][0].replica_id, None)
            ticket = request.kwargs["ticket"]
            ticket.first_token()
            ticket.finished(Answer(int(ticket.prompt_bytes / BYTES_PER_TOKEN), ticket.estimate.cached_tokens))
        rounds.append(spent_s / len(requests) * 1e6)
    return Cost.of(rounds[1:])


def hashing(prompt_bytes: int) -> Cost:
    prompt = random.Random(1).randbytes(prompt_bytes)
    return cost(lambda: prefix_chain(ROOT_KEY, "model", None, prompt, 512), max(5, 2_000_000 // (prompt_bytes + 5000)))


def anchor(prompt_bytes: int) -> Cost:
    """A conversation of that length whose last turn is new: the common case."""
    chooser = AnchorChooser(200_000, 1024, 512)
    rng = random.Random(1)
    trunk = prefix_chain(ROOT_KEY, "model", None, rng.randbytes(prompt_bytes), 512)
    return cost(lambda: chooser.choose("org", "model", (*trunk, rng.randbytes(16), rng.randbytes(16)), 8), 500)


def anchor_of_new_prompts(prompt_bytes: int) -> Cost:
    """Prompts of that length that nobody has sent before, to a gateway whose memory is full: each block is kept, another goes."""
    chooser = AnchorChooser(200_000, 1024, 512)
    rng = random.Random(1)
    while chooser.entries < 200_000:
        org = f"org-{rng.randrange(ORGANIZATIONS)}"
        chooser.choose(org, "model", tuple([rng.randbytes(16) for _ in range(200)]), 8)
    depth = depth_at(prompt_bytes, 512)
    chains = iter([tuple([rng.randbytes(16) for _ in range(depth)]) for _ in range(50 * ROUNDS + 1)])
    return cost(lambda: chooser.choose("org", "model", next(chains), 8), 50)


def salt() -> Cost:
    salts = SaltDeriver(b"s" * 32, PromptCacheSettings())
    prompt = random.Random(1).randbytes(60_000)

    def derive() -> None:
        salts.salt("org", "model", Retention.IN_MEMORY, salts.anchor_of("org", prompt), None)
        salts.routing_key("org", Retention.IN_MEMORY, None, None)

    return cost(derive, 2000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()

    figures: dict[str, Cost] = {}
    for name, prompt_bytes in PROMPTS.items():
        figures[f"hashing, {name}"] = hashing(prompt_bytes)
        if prompt_bytes > 4096:
            figures[f"anchor, {name}"] = anchor(prompt_bytes)
        for replicas in FLEETS:
            deciding, learning = decide_and_learn(prompt_bytes, replicas)
            figures[f"deciding, {name}, {replicas} replicas"] = deciding
            figures[f"learning, {name}, {replicas} replicas"] = learning
        router = asyncio.run(router_decision(prompt_bytes, FLEETS[-1]))
        figures[f"deciding in Ray Serve's router, {name}, {FLEETS[-1]} replicas"] = router
    figures["anchor, new prompts of 600 KB"] = anchor_of_new_prompts(600_000)
    figures["salt and routing key"] = salt()

    for name, figure in figures.items():
        print(f"{name:<60}{figure.median:>9.1f} ({figure.best:.1f}) µs")
    if arguments.json is not None:
        document = {name: {"median_us": figure.median, "best_us": figure.best} for name, figure in figures.items()}
        arguments.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
