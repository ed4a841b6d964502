"""Generated workloads: the shapes of traffic on which routers differ.

Rates are per replica, so that a cluster of any size is equally busy. Everything is drawn from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count

from cluster.replay.workload import SimulatedRequest, Workload

BLOCK_TOKENS = 64


class _Blocks:
    """Names for blocks: each call makes new ones, behind a given path."""

    def __init__(self) -> None:
        self._names = count()

    def behind(self, path: tuple[int, ...], tokens: int) -> tuple[int, ...]:
        """``path`` and as many new whole blocks as ``tokens`` fill."""
        return path + tuple(next(self._names) for _ in range(tokens // BLOCK_TOKENS))

    def request(self, at_s: float, org: str, path: tuple[int, ...], new_tokens: int, output_tokens: int) -> SimulatedRequest:
        """A prompt of a shared path and ``new_tokens`` of its own."""
        own = max(1, new_tokens)
        blocks = self.behind(path, -(-own // BLOCK_TOKENS) * BLOCK_TOKENS)
        return SimulatedRequest(at_s, org, len(path) * BLOCK_TOKENS + own, output_tokens, blocks)


def organizations(replicas: int, rng: random.Random) -> Iterator[SimulatedRequest]:
    """150 organizations, each with a 6,000-token prompt of its own that 5 users ask 1,200-token questions about.

    Arrivals ramp up from 0.4 to 13 a second and replica over four minutes: from idle, past what a cache-blind router can serve, to
    near what a perfect one can.
    """
    blocks = _Blocks()
    prefixes = [blocks.behind((), 6000) for _ in range(150)]
    at_s, duration_s = 0.0, 240.0
    while True:
        at_s += rng.expovariate(replicas * (0.4 + 12.6 * at_s / duration_s))
        if at_s >= duration_s:
            return
        org = rng.randrange(150)
        yield blocks.request(at_s, f"org-{org}", prefixes[org], 1200, rng.randint(50, 150))


def groups(replicas: int, rng: random.Random) -> Iterator[SimulatedRequest]:
    """Shared-prefix groups: 64 system prompts of 2,048 tokens, short questions behind them, popular ones more often."""
    blocks = _Blocks()
    prefixes = [blocks.behind((), 2048) for _ in range(64)]
    popularity = [1.0 / (rank + 1) for rank in range(64)]
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(25.0 * replicas)) < 60.0:
        (group,) = rng.choices(range(64), popularity)
        yield blocks.request(at_s, f"org-{group % 16}", prefixes[group], rng.randint(64, 256), rng.randint(64, 256))


def chats(replicas: int, rng: random.Random) -> Iterator[SimulatedRequest]:
    """Conversations of 2 to 12 turns behind the system prompts of 20 organizations, read and typed at a person's speed."""
    blocks = _Blocks()
    systems = [blocks.behind((), rng.randrange(600, 3000)) for _ in range(20)]
    began_s = 0.0
    while (began_s := began_s + rng.expovariate(1.0 * replicas)) < 300.0:
        org = rng.randrange(20)
        path, at_s = systems[org], began_s
        for _ in range(rng.randint(2, 12)):
            question, answer = int(rng.lognormvariate(5.5, 1.0)), rng.randint(100, 600)
            asked = blocks.behind(path, question)
            rest = question % BLOCK_TOKENS
            yield blocks.request(at_s, f"org-{org}", asked, rest, answer)
            # The next turn begins with this question and its answer; what doesn't fill a block is in nobody's cache.
            path = blocks.behind(asked, rest + answer)
            at_s += rng.uniform(10.0, 60.0)


def forks(replicas: int, rng: random.Random) -> Iterator[SimulatedRequest]:
    """One 40,000-token prompt, asked once and then forked into 43 that differ in their last 300 tokens; again and again."""
    blocks = _Blocks()
    began_s = 0.0
    for family in range(8 * replicas):
        trunk = blocks.behind((), 40_000)
        org = f"org-{family % 10}"
        yield blocks.request(began_s, org, trunk, 300, 200)
        at_s = began_s + 4.0
        for _ in range(43):
            at_s += rng.expovariate(20.0)
            yield blocks.request(at_s, org, trunk, 300, rng.randint(100, 300))
        began_s += rng.uniform(6.0, 9.0) / replicas


def unique(replicas: int, rng: random.Random) -> Iterator[SimulatedRequest]:
    """Prompts that have nothing in common: all that a router can do is to spread them."""
    blocks = _Blocks()
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(3.0 * replicas)) < 240.0:
        tokens = min(32_000, max(64, int(rng.lognormvariate(8.3, 0.8))))
        yield blocks.request(at_s, f"org-{rng.randrange(20)}", (), tokens, rng.randint(50, 400))


Generator = Callable[[int, random.Random], Iterator[SimulatedRequest]]
WORKLOADS: dict[str, Generator] = {
    "organizations": organizations,
    "groups": groups,
    "chats": chats,
    "forks": forks,
    "unique": unique,
}


def generate(name: str, replicas: int, seed: int) -> Workload:
    """The workload of that name. Raises ``KeyError`` for another one."""
    requests = sorted(WORKLOADS[name](replicas, random.Random(f"{name}/{seed}")), key=lambda request: request.arrival_s)
    return Workload(name, BLOCK_TOKENS, requests)
