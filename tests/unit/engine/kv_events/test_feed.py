"""Over real ZeroMQ sockets: a gap is replayed, and what can't be replayed resets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from cluster.engine.vllm.kv_events.feed import EventFeed
from cluster.engine.vllm.kv_events.sockets import EventSockets
from cluster.engine.vllm.kv_events.wire import AllBlocksCleared, BlockRemoved, BlockStored
from tests.unit.engine.kv_events.fake_publisher import FakePublisher

Event = BlockStored | BlockRemoved | AllBlocksCleared


@dataclass
class Heard:
    """What a reader was told, in order: hashes that were stored, and words for the rest."""

    log: list[object] = field(default_factory=list)

    def events(self, events: Sequence[Event]) -> None:
        for event in events:
            assert isinstance(event, BlockStored)
            self.log += event.block_hashes

    def gap(self) -> None:
        self.log.append("gap")

    def replayed(self, batches: int) -> None:
        self.log.append(f"replayed {batches}")

    def lost(self) -> None:
        self.log.append("lost")

    def restarted(self) -> None:
        self.log.append("restarted")

    async def until(self, last: object) -> list[object]:
        async with asyncio.timeout(10):
            while last not in self.log:  # noqa: ASYNC110 - a log of any kind of thing
                await asyncio.sleep(0.01)
        return self.log


def stored(number: int) -> BlockStored:
    return BlockStored([bytes([number])])


def names(*numbers: int) -> list[object]:
    return [bytes([number]) for number in numbers]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def sockets() -> EventSockets:
    return EventSockets.make()


@pytest_asyncio.fixture
async def publisher(sockets: EventSockets) -> AsyncIterator[FakePublisher]:
    publisher = FakePublisher(sockets, kept=4)
    await publisher.start()
    yield publisher
    await publisher.stop()
    sockets.remove()


@pytest_asyncio.fixture
async def feed(publisher: FakePublisher, sockets: EventSockets, heard: Heard) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(EventFeed(sockets.events, sockets.replay, heard, replay_timeout_s=1.0).run())
    await publisher.subscribed()
    yield task
    task.cancel()
    await asyncio.wait({task})


pytestmark = pytest.mark.usefixtures("feed")


async def test_batches_come_in_order(publisher: FakePublisher, heard: Heard) -> None:
    for number in range(3):
        await publisher.publish(stored(number))
    assert await heard.until(b"\x02") == names(0, 1, 2)
    assert publisher.replays == []


async def test_a_gap_is_replayed_and_nothing_comes_twice(publisher: FakePublisher, heard: Heard) -> None:
    await publisher.publish(stored(0))
    await publisher.publish(stored(1), drop=True)
    await publisher.publish(stored(2), drop=True)
    await publisher.publish(stored(3))
    await publisher.publish(stored(4))
    assert await heard.until(b"\x04") == [*names(0), "gap", *names(1, 2, 3), *heard.log[5:]]
    # The replay may have brought the fifth already, before it was read from the subscription.
    assert [item for item in heard.log if isinstance(item, bytes)] == names(0, 1, 2, 3, 4)
    assert "lost" not in heard.log
    assert publisher.replays == [1]


async def test_what_was_published_before_the_subscription_is_fetched(publisher: FakePublisher, heard: Heard) -> None:
    await publisher.publish(stored(0), drop=True)
    await publisher.publish(stored(1))
    assert (await heard.until("replayed 2"))[:3] == ["gap", *names(0, 1)]


async def test_what_is_replayed_no_more_resets(publisher: FakePublisher, heard: Heard) -> None:
    await publisher.publish(stored(0))
    for number in range(1, 8):
        await publisher.publish(stored(number), drop=True)
    await publisher.publish(stored(8))
    assert await heard.until(b"\x08") == [*names(0), "gap", "lost", *names(8)]
    await publisher.publish(stored(9))
    assert (await heard.until(b"\x09"))[-1] == b"\x09"


async def test_a_publisher_that_does_not_answer_resets(publisher: FakePublisher, heard: Heard) -> None:
    publisher.answers = False
    await publisher.publish(stored(0))
    await publisher.publish(stored(1), drop=True)
    await publisher.publish(stored(2))
    assert await heard.until(b"\x02") == [*names(0), "gap", "lost", *names(2)]
    # Its late answer to the first question is no answer to the second.
    publisher.answers = True
    await publisher.publish(stored(3), drop=True)
    await publisher.publish(stored(4))
    assert (await heard.until("replayed 2"))[4:] == ["gap", *names(3, 4), "replayed 2"]


async def test_a_publisher_that_begins_anew_is_noticed(publisher: FakePublisher, heard: Heard) -> None:
    for number in range(3):
        await publisher.publish(stored(number))
    await heard.until(b"\x02")
    publisher.begin_anew()
    await publisher.publish(stored(10))
    assert await heard.until(b"\x0a") == [*names(0, 1, 2), "restarted", *names(10)]


async def test_what_cannot_be_read_resets(publisher: FakePublisher, heard: Heard) -> None:
    await publisher.publish_raw(b"", (0).to_bytes(8, "big"), b"\xc1")
    await publisher.publish_raw(b"only one part")
    publisher._number = 1
    await publisher.publish(stored(1))
    assert await heard.until(b"\x01") == ["lost", *names(1)]
