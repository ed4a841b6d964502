"""The gateway's stream between its handle call and its channel, with a call that ends as the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from ray.exceptions import ActorUnavailableError
from ray.serve.exceptions import BackPressureError

from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineRequest, EngineUsage, Frame, Operation
from cluster.relay import handle_call
from cluster.relay.channel.messages import Accepted, Open
from cluster.relay.channel.outbox import Outbox
from cluster.relay.channel.replica_end import ChannelUnavailable, Dialer
from cluster.relay.contract import NoCapacity, ReplicaLost
from cluster.relay.handle_call import HandleCall
from cluster.relay.observer import SilentChannelObserver
from cluster.relay.stepped import INLINE_BODY_BYTES, SteppedRelay, SteppedStream
from cluster.routing.ticket import RouteTicket
from tests.unit.relay.ends import KEY, dialling, eventually

LAST = Frame(payloads=[b"end"], usage=EngineUsage(1, 2))


class FakeResponse:
    """A handle call: gives items, ends or fails as it is told."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.cancelled = False
        self._replica_result_future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        item = await self.items.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class FakeHandle:
    """A deployment handle whose calls are kept."""

    calls: list[tuple[Open, FakeResponse]] = field(default_factory=list)
    deployment_name: str = "engine:m"

    def options(self, *, stream: bool, method_name: str) -> FakeHandle:
        assert (stream, method_name) == (True, "open")
        return self

    def remote(self, packed: bytes, *, ticket: RouteTicket) -> FakeResponse:
        response = FakeResponse()
        self.calls.append((msgspec.msgpack.decode(packed, type=Open), response))
        return response


@dataclass
class Setting:
    relay: SteppedRelay
    handle: FakeHandle
    dialer: Dialer

    def open(self, body: bytes = b"{}") -> tuple[SteppedStream, Open, FakeResponse]:
        request = EngineRequest("chatcmpl-1", Operation.CHAT, body, stream=True, cache_salt="salt", org_tag="org")
        stream = self.relay.open("m", request, RouteTicket())
        return stream, *self.handle.calls[-1]

    async def accepted(self, call: Open, response: FakeResponse) -> Outbox:
        """The replica answers: its channel is up and the call has said so."""
        channel = await self.dialer.channel(call.gateway)
        response.items.put_nowait(msgspec.msgpack.encode(Accepted(self.dialer.identity.replica_id, self.dialer.identity.life)))
        return channel.open(call.stream, call.window_bytes, call.body_bytes, lambda: None)


@asynccontextmanager
async def a_setting() -> AsyncIterator[Setting]:
    handle = FakeHandle()
    relay = SteppedRelay({"m": handle}, RelaySettings(), KEY, SilentChannelObserver())
    await relay.start("127.0.0.1")
    async with dialling() as dialer:
        yield Setting(relay, handle, dialer)
    await relay.close()


async def test_the_last_frame_counts_though_the_call_ended_before_it() -> None:
    async with a_setting() as setting:
        stream, call, response = setting.open()
        outbox = await setting.accepted(call, response)
        response.items.put_nowait(None)
        await asyncio.sleep(0.02)
        await outbox.send(LAST)
        assert [frame async for frame in stream] == [LAST]
        assert not response.cancelled


async def test_a_call_that_failed_after_its_last_frame_was_sent_does_not_take_it_away() -> None:
    async with a_setting() as setting:
        stream, call, response = setting.open()
        outbox = await setting.accepted(call, response)
        response.items.put_nowait(ActorUnavailableError("gone", None))
        await asyncio.sleep(0.02)
        await outbox.send(LAST)
        assert [frame async for frame in stream] == [LAST]


async def test_a_call_that_ends_without_a_last_frame_loses_its_stream_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle_call, "_END_GRACE_S", 0.05)
    async with a_setting() as setting:
        stream, call, response = setting.open()
        await setting.accepted(call, response)
        response.items.put_nowait(None)
        with pytest.raises(ReplicaLost, match="without a last frame"):
            await asyncio.wait_for(anext(stream), 2)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BackPressureError(num_queued_requests=1, max_queued_requests=1), NoCapacity),
        (ActorUnavailableError("gone", None), ReplicaLost),
        (ChannelUnavailable("no channel"), ReplicaLost),
        (RuntimeError("a defect"), ReplicaLost),
    ],
)
async def test_a_call_that_no_replica_accepted_fails_at_once(error: Exception, expected: type[Exception]) -> None:
    async with a_setting() as setting:
        stream, _, response = setting.open()
        response.items.put_nowait(error)
        with pytest.raises(expected):
            await asyncio.wait_for(anext(stream), 2)


async def test_the_end_of_the_channel_is_the_end_of_the_stream_and_of_the_call() -> None:
    async with a_setting() as setting:
        stream, call, response = setting.open()
        outbox = await setting.accepted(call, response)
        await outbox.send(Frame(payloads=[b"a"]))
        assert (await anext(stream)).payloads == [b"a"]
        await setting.dialer.close()
        with pytest.raises(ReplicaLost):
            await asyncio.wait_for(anext(stream), 2)
        assert response.cancelled


async def test_cancelling_ends_both_and_what_comes_later_is_cancelled_at_its_source() -> None:
    async with a_setting() as setting:
        stream, call, response = setting.open()
        channel = await setting.dialer.channel(call.gateway)
        stopped = asyncio.Event()
        outbox = channel.open(call.stream, call.window_bytes, 0, stopped.set)
        await stream.cancel()
        await stream.cancel()
        assert response.cancelled
        await outbox.send(Frame(payloads=[b"late"]))
        await asyncio.wait_for(stopped.wait(), 2)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_read_that_is_cancelled_leaves_the_stream_as_it_was() -> None:
    async with a_setting() as setting:
        stream, call, response = setting.open()
        outbox = await setting.accepted(call, response)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(stream)
        await outbox.send(LAST)
        assert await anext(stream) == LAST


async def test_small_bodies_go_with_the_call_and_large_ones_are_left_to_the_channel() -> None:
    async with a_setting() as setting:
        small, call, _ = setting.open(bytes(INLINE_BODY_BYTES))
        assert (len(call.request.body), call.body_bytes) == (INLINE_BODY_BYTES, 0)
        large, call, response = setting.open(bytes(INLINE_BODY_BYTES + 1))
        assert (call.request.body, call.body_bytes) == (b"", INLINE_BODY_BYTES + 1)
        outbox = await setting.accepted(call, response)
        (await setting.dialer.channel(call.gateway)).fetch(call.stream)
        assert await asyncio.wait_for(outbox.body(), 2) == bytes(INLINE_BODY_BYTES + 1)
        await small.cancel()
        await large.cancel()


async def test_nothing_is_kept_of_a_stream_after_its_end() -> None:
    async with a_setting() as setting:
        stream, call, response = setting.open()
        outbox = await setting.accepted(call, response)
        await outbox.send(LAST)
        response.items.put_nowait(None)
        assert [frame async for frame in stream] == [LAST]
        call_of_stream = stream._call
        assert isinstance(call_of_stream, HandleCall)
        await eventually(lambda: call_of_stream.over)
        assert setting.relay._server.awaited == {}
