"""What a real engine tells of its prefix cache against what it then finds there: gpt-oss, two cache groups, a tiny cache."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import pytest
import pytest_asyncio

from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineUsage, Frame
from cluster.engine.deployment import EngineReplica
from cluster.engine.residency import Residency
from cluster.engine.vllm.engine import VllmEngine
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.routing.chain import prefix_chain
from cluster.routing.residency.report import Subscribe
from cluster.routing.residency.table import ResidencyTable, Told
from cluster.routing.ticket import ArrivedTicket
from tests.integration.engine.asking import make_request
from tests.integration.engine.conftest import DEMO, demo_settings

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

MODEL = "gpt-oss-demo"
RETENTION_TOKENS = 256
"""gpt-oss keeps the state of its sliding windows this far apart: the unit in which a shared prefix is found."""

BLOCK_BYTES = 512
CACHE_BYTES = 16 << 20
"""About 5,300 tokens: five prompts."""

TEMPLATE_TOKENS = 128
"""Every prompt begins with the chat template's own words, which are fewer, and cached by whichever came last."""

WORDS = ("quick", "order", "apples", "and", "pears", "sent", "customer", "asked", "status", "today", "with", "express")


def text(words: int, seed: int) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(words))


@dataclass
class Recorded:
    """Implements :class:`~cluster.engine.residency.ResidencyObserver`."""

    counts: Counter[str] = field(default_factory=Counter)
    blocks: int = 0

    def kv_events(self, model: str, kind: str, count: int) -> None:
        self.counts[kind] += count

    def kv_feed(self, model: str, outcome: str) -> None:
        self.counts[outcome] += 1

    def kv_resident(self, model: str, blocks: int, hashes: int) -> None:
        self.blocks = blocks


@dataclass
class Served:
    """A replica and one gateway's table of it."""

    replica: EngineReplica
    residency: Residency
    observer: Recorded
    table: ResidencyTable = field(default_factory=lambda: ResidencyTable(10_000))
    at: Subscribe = field(default_factory=Subscribe)

    def tell(self) -> None:
        self.residency.refresh()
        for report in self.residency.after(self.at):
            assert self.table.apply("replica", report) is None
            self.at = Subscribe(report.epoch, report.number)

    async def settled(self) -> None:
        """Events are on their way for a moment after an answer."""
        before = -1
        while sum(self.observer.counts.values()) != before:
            before = sum(self.observer.counts.values())
            await asyncio.sleep(0.3)
        for _ in range(5):
            self.tell()

    async def ask(self, system: str, user: str = "Hello", org: str = "org") -> tuple[Told | None, EngineUsage]:
        """What was told of the prompt before it was sent, and what the engine then counted."""
        body = {
            "model": MODEL,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "max_completion_tokens": 4,
        }
        canonical = ChatCompletionRequest.parse(body).canonical_prompt()
        chain = prefix_chain(org.encode(), MODEL, None, canonical, BLOCK_BYTES)
        told = self.table.lookup(chain)["replica"]
        usage: EngineUsage | None = None
        ticket = ArrivedTicket((), 0, chain, len(canonical))
        async for item in self.replica.stream(make_request(body, model=MODEL, salt=org), ticket):
            usage = msgspec.msgpack.decode(item, type=Frame).usage
        assert usage is not None
        await self.settled()
        return told, usage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    if not (DEMO / "config.json").exists():
        from models.demo.expand import expand

        expand(DEMO)
    os.environ["OMP_NUM_THREADS"] = "1"
    observer = Recorded()
    residency = Residency(MODEL, BLOCK_BYTES, 10_000, observer)
    settings = demo_settings(kv_cache_memory_bytes=CACHE_BYTES, prefix_cache_retention_interval=RETENTION_TOKENS)
    replica = EngineReplica(settings, RelaySettings(), residency=residency)
    await replica.start()
    served = Served(replica, residency, observer)
    try:
        await served.settled()
        yield served
    finally:
        await replica.stop()


async def test_what_is_told_of_a_prompt_is_what_the_engine_finds(served: Served) -> None:
    policy, other = text(900, 1), text(900, 2)
    half = len(policy) // 2
    # Prompt, question, and how far what is told may be off: in tokens.
    rows: list[tuple[str, str, int]] = [
        (policy, "Hello", RETENTION_TOKENS),
        (policy, "Hello", 0),
        (policy, "Something else now, " + text(200, 7), RETENTION_TOKENS),
        (policy, "Something else now, " + text(200, 7), 0),
        (policy, "Something else now, " + text(200, 7) + " and more of it", 32),
        (policy[:half], "A short one", RETENTION_TOKENS),
        (policy[:half] + other[half:], "Hello", RETENTION_TOKENS),
    ]
    seen = []
    for system, user, allowed in rows:
        told, usage = await served.ask(system, user)
        seen.append((usage.prompt_tokens, told.tokens if told else 0, usage.cached_tokens, allowed))
    for _, predicted, found, allowed in seen:
        assert abs(predicted - found) <= allowed, f"(prompt, told, found, allowed): {seen}"
    # Something was found at all, and known before.
    assert [predicted > 900 for _, predicted, _, _ in seen[1:5]] == [True] * 4


async def test_another_organization_is_told_nothing_and_finds_nothing(served: Served) -> None:
    prompt = text(900, 3)
    await served.ask(prompt)
    told, usage = await served.ask(prompt, org="another")
    assert told is None
    assert usage.cached_tokens == 0


async def test_what_the_engine_evicts_is_forgotten(served: Served) -> None:
    first = text(900, 4)
    await served.ask(first)
    told, _ = await served.ask(first)
    assert told is not None
    assert told.tokens > 900
    removed = served.observer.counts["removed"]
    for number in range(8):
        await served.ask(text(900, 100 + number))
    assert served.observer.counts["removed"] > removed
    told, usage = await served.ask(first)
    assert told is not None
    assert told.tokens < TEMPLATE_TOKENS
    assert usage.cached_tokens < TEMPLATE_TOKENS
    assert served.observer.blocks <= CACHE_BYTES // 1024


async def test_a_dropped_cache_is_known_to_be_empty(served: Served) -> None:
    prompt = text(900, 5)
    await served.ask(prompt)
    engine = served.replica._engine
    assert isinstance(engine, VllmEngine)
    assert await engine._llm.reset_prefix_cache()
    # The engine core tells of it with its next step.
    await served.ask(text(50, 6))
    told, usage = await served.ask(prompt)
    assert told is not None
    assert told.tokens < TEMPLATE_TOKENS
    assert usage.cached_tokens < TEMPLATE_TOKENS
    assert served.residency.known


async def test_nothing_was_missed(served: Served) -> None:
    assert served.observer.counts["reset"] == 0
    assert served.observer.counts["gap"] == served.observer.counts["replay"]
