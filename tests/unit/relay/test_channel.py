"""Streams on channels: both ends in one event loop, engines that follow orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec
import pytest

from cluster.engine.contract import EngineRequest, EngineUsage, Frame, Operation, PayloadSink
from cluster.errors import ClientTooSlow
from cluster.relay.channel.handshake import new_life, new_nonce
from cluster.relay.channel.messages import (
    Accepted,
    Body,
    Cancel,
    Challenge,
    Delta,
    Fetch,
    GatewayAddress,
    Hello,
    Open,
    Step,
    Welcome,
)
from cluster.relay.channel.outbox import FrameTooLarge
from cluster.relay.channel.replica_end import ChannelUnavailable
from cluster.relay.channel.replies import Replies
from cluster.relay.contract import ReplicaLost
from tests.unit.relay.ends import (
    KEY,
    MAX_MESSAGE_BYTES,
    RecordingObserver,
    Stranger,
    accept,
    dialling,
    eventually,
    listening,
    opening,
    rest,
)

LAST = Frame(payloads=[b"end"], usage=EngineUsage(1, 2))


class FakeEngine:
    """Yields what is put into its queue; remembers what it was asked and what was aborted."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[Frame | Exception] = asyncio.Queue()
        self.requests: list[EngineRequest] = []
        self.sink: PayloadSink | None = None
        self.taken = 0
        self.aborted = 0

    async def generate(self, request: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        self.requests.append(request)
        self.sink = sink
        try:
            while True:
                frame = await self.frames.get()
                if isinstance(frame, Exception):
                    raise frame
                self.taken += 1
                yield frame
        except (asyncio.CancelledError, GeneratorExit):
            self.aborted += 1
            raise


class Call:
    """A handle call: what Serve would do with the generator of ``open``."""

    def __init__(self, replies: Replies, packed: bytes, engine: FakeEngine) -> None:
        self._items = replies.answer(packed, engine.generate)
        self.task = asyncio.create_task(self._run())
        self.accepted = asyncio.Event()

    async def _run(self) -> None:
        async for _ in self._items:
            self.accepted.set()


async def test_frames_arrive_and_the_call_ends_with_the_last() -> None:
    engine = FakeEngine()
    async with listening() as server, dialling() as dialer:
        awaited, packed = opening(server)
        call = Call(Replies(dialer, 100), packed, engine)
        await call.accepted.wait()
        accept(server, awaited, dialer)
        engine.frames.put_nowait(Frame(payloads=[b"a"]))
        assert (await awaited.inbox.take()).payloads == [b"a"]
        assert not call.task.done()
        engine.frames.put_nowait(LAST)
        assert await awaited.inbox.take() == LAST
        await call.task


async def test_the_frames_of_one_turn_share_a_message() -> None:
    engines = [FakeEngine() for _ in range(20)]
    async with listening() as server, dialling() as dialer:
        replies = Replies(dialer, 100)
        streams = []
        for engine in engines:
            awaited, packed = opening(server)
            call = Call(replies, packed, engine)
            await call.accepted.wait()
            accept(server, awaited, dialer)
            streams.append(awaited)
        messages = server.traffic.received_messages
        for engine in engines:
            engine.frames.put_nowait(Frame(payloads=[b"a"]))
        await asyncio.gather(*(awaited.inbox.take() for awaited in streams))
        assert server.traffic.received_messages == messages + 1


async def test_a_reader_that_stops_holds_its_engine_and_no_other() -> None:
    slow, quick = FakeEngine(), FakeEngine()
    async with listening() as server, dialling() as dialer:
        replies = Replies(dialer, 100)
        streams = []
        for engine in (slow, quick):
            awaited, packed = opening(server, window_bytes=100)
            call = Call(replies, packed, engine)
            await call.accepted.wait()
            accept(server, awaited, dialer)
            streams.append(awaited)
            for _ in range(50):
                engine.frames.put_nowait(Frame(payloads=[bytes(10)]))
            engine.frames.put_nowait(LAST)
        assert len(await rest(streams[1])) == 51
        # A window's worth, and the one that waits for room.
        assert slow.taken == 11
        assert streams[0].inbox.size_bytes == 100
        assert len(await rest(streams[0])) == 51


async def test_what_an_engine_gives_to_the_sink_comes_in_its_place_and_shares_the_turns_message() -> None:
    engines = [FakeEngine() for _ in range(5)]
    async with listening() as server, dialling() as dialer:
        replies = Replies(dialer, 100)
        streams = []
        for engine in engines:
            awaited, packed = opening(server)
            call = Call(replies, packed, engine)
            await call.accepted.wait()
            accept(server, awaited, dialer)
            streams.append(awaited)
            engine.frames.put_nowait(Frame(payloads=[b"first"]))
            assert (await awaited.inbox.take()).payloads == [b"first"]
        messages = server.traffic.received_messages
        for engine in engines:
            assert engine.sink is not None
            assert engine.sink.ready
            engine.sink.put([b"a", b"b"])
        for awaited in streams:
            assert (await awaited.inbox.take()).payloads == [b"a", b"b"]
        assert server.traffic.received_messages == messages + 1
        engines[0].frames.put_nowait(LAST)
        assert await streams[0].inbox.take() == LAST


async def test_a_sink_is_not_ready_while_its_reader_owes_room_or_once_the_stream_is_over() -> None:
    engine = FakeEngine()
    async with listening() as server, dialling() as dialer:
        awaited, packed = opening(server, window_bytes=10)
        call = Call(Replies(dialer, 100), packed, engine)
        await call.accepted.wait()
        accept(server, awaited, dialer)
        await eventually(lambda: engine.sink is not None)
        sink = engine.sink
        assert sink is not None
        sink.put([bytes(10)])
        assert not sink.ready
        assert len((await awaited.inbox.take()).payloads) == 1
        await eventually(lambda: sink.ready)
        server.forget(awaited)
        await asyncio.wait_for(call.task, 2)
        assert not sink.ready


async def test_a_stream_that_nobody_wants_is_aborted() -> None:
    engine = FakeEngine()
    async with listening() as server, dialling() as dialer:
        awaited, packed = opening(server)
        call = Call(Replies(dialer, 100), packed, engine)
        await call.accepted.wait()
        accept(server, awaited, dialer)
        await eventually(lambda: bool(engine.requests))
        server.forget(awaited)
        await asyncio.wait_for(call.task, 2)
        assert engine.aborted == 1
        assert server.awaited == {}


async def test_a_stream_that_was_forgotten_before_its_replica_was_known_is_aborted_with_its_first_frame() -> None:
    engine = FakeEngine()
    async with listening() as server, dialling() as dialer:
        awaited, packed = opening(server)
        server.forget(awaited)
        call = Call(Replies(dialer, 100), packed, engine)
        await call.accepted.wait()
        engine.frames.put_nowait(Frame(payloads=[b"a"]))
        await asyncio.wait_for(call.task, 2)
        assert engine.aborted == 1


async def test_a_call_that_is_cancelled_aborts_its_work_and_says_so_on_the_channel() -> None:
    engine = FakeEngine()
    async with listening() as server, dialling() as dialer:
        awaited, packed = opening(server)
        call = Call(Replies(dialer, 100), packed, engine)
        await call.accepted.wait()
        accept(server, awaited, dialer)
        await eventually(lambda: bool(engine.requests))
        call.task.cancel()
        with pytest.raises(ReplicaLost, match="gave the request up"):
            await awaited.inbox.take()
        assert engine.aborted == 1


async def test_the_end_of_a_gateway_aborts_all_its_work_and_its_channel_is_forgotten() -> None:
    engine = FakeEngine()
    async with dialling() as dialer:
        async with listening() as server:
            replies = Replies(dialer, 100)
            calls = []
            for _ in range(3):
                awaited, packed = opening(server)
                calls.append(Call(replies, packed, engine))
                await calls[-1].accepted.wait()
                accept(server, awaited, dialer)
            await eventually(lambda: len(engine.requests) == 3)
        for call in calls:
            with pytest.raises(ChannelUnavailable):
                await asyncio.wait_for(call.task, 2)
        assert engine.aborted == 3
        assert dialer.open_channels == 0


async def test_the_end_of_a_replica_loses_its_streams_at_once_and_only_those() -> None:
    observer = RecordingObserver()
    engine = FakeEngine()
    async with listening(observer) as server, dialling("other") as other:
        stays, packed = opening(server)
        call = Call(Replies(other, 100), packed, engine)
        await call.accepted.wait()
        accept(server, stays, other)
        async with dialling("doomed") as doomed:
            lost, packed = opening(server)
            doomed_call = Call(Replies(doomed, 100), packed, engine)
            await doomed_call.accepted.wait()
            accept(server, lost, doomed)
        with pytest.raises(ReplicaLost):
            await asyncio.wait_for(lost.inbox.take(), 2)
        with pytest.raises(ChannelUnavailable):
            await doomed_call.task
        assert not stays.inbox.over
        assert observer.ends == ["closed"]
        assert observer.open == 1


async def test_a_replica_that_connects_anew_is_counted_as_such() -> None:
    observer = RecordingObserver()
    async with listening(observer) as server, dialling() as dialer:
        channel = await dialer.channel(server.address)
        channel.end("closed", "for the test")
        await eventually(lambda: observer.open == 0)
        await dialer.channel(server.address)
        assert observer.connected == [False, True]


async def test_a_new_channel_of_a_replica_ends_the_one_it_had_with_its_streams() -> None:
    """The gateway may not have seen yet that the former life, or the former connection, is over."""
    observer = RecordingObserver()
    async with listening(observer) as server, dialling() as former, dialling() as latter:
        channel = await former.channel(server.address)
        awaited = server.expect(1000, b"", "org")
        accept(server, awaited, former)
        await latter.channel(server.address)
        with pytest.raises(ReplicaLost, match="superseded"):
            await awaited.inbox.take()
        await eventually(lambda: channel.over)
        assert observer.ends == ["superseded"]
        assert observer.open == 1


async def test_frames_of_a_replica_that_did_not_get_the_call_are_not_delivered() -> None:
    async with listening() as server, dialling("called") as called, dialling("other") as other:
        await called.channel(server.address)
        channel = await other.channel(server.address)
        awaited = server.expect(1000, b"", "org")
        accept(server, awaited, called)
        stopped = asyncio.Event()
        outbox = channel.open(awaited.stream, 1000, 0, stopped.set)
        await outbox.send(Frame(payloads=[b"foreign"]))
        await asyncio.wait_for(stopped.wait(), 2)
        assert awaited.inbox.size_bytes == 0
        assert not awaited.inbox.over


async def test_a_call_that_went_on_to_another_replica_after_frames_of_the_first_is_lost() -> None:
    async with listening() as server, dialling("first") as first, dialling("second") as second:
        channel = await first.channel(server.address)
        await second.channel(server.address)
        awaited = server.expect(1000, b"", "org")
        await channel.open(awaited.stream, 1000, 0, lambda: None).send(Frame(payloads=[b"a"]))
        await eventually(lambda: awaited.channel is not None)
        accept(server, awaited, second)
        with pytest.raises(ReplicaLost, match="another replica"):
            await awaited.inbox.take()


async def test_a_life_of_a_replica_that_is_over_can_not_answer() -> None:
    async with listening() as server, dialling() as former, dialling() as latter:
        await latter.channel(server.address)
        awaited = server.expect(1000, b"", "org")
        accept(server, awaited, former)
        with pytest.raises(ReplicaLost, match="has ended"):
            await awaited.inbox.take()


async def test_a_peer_that_falls_silent_is_given_up() -> None:
    observer = RecordingObserver()
    async with listening(observer, peer_timeout_s=0.2) as server:
        stranger = await Stranger.at(server.address)
        life = new_life()
        stranger.say(KEY.hello(stranger.challenge, server.address.life, "silent", life, new_nonce()))
        assert isinstance(await stranger.receive(), Welcome)
        awaited = server.expect(1000, b"", "org")
        server.accepted(awaited, Accepted("silent", life))
        with pytest.raises(ReplicaLost, match="silent"):
            await asyncio.wait_for(awaited.inbox.take(), 2)
        assert observer.ends == ["silent"]
        stranger.close()


async def test_traffic_is_reported_as_it_was_since_the_last_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.relay.channel.gateway_end._REPORT_INTERVAL_S", 0.02)
    observer = RecordingObserver()
    async with listening(observer) as server, dialling() as dialer:
        outbox = (await dialer.channel(server.address)).open(99, 1000, 0, lambda: None)
        await outbox.send(Frame(payloads=[b"a"]))
        await eventually(lambda: observer.messages == 2)
        await asyncio.sleep(0.1)
        assert observer.messages == server.traffic.received_messages == 2  # the handshake's and the frame's


async def test_closing_a_gateway_loses_streams_that_have_no_channel_yet() -> None:
    async with listening() as server:
        awaited, _ = opening(server)
    with pytest.raises(ReplicaLost, match="closing"):
        await awaited.inbox.take()


async def test_idle_channels_live_on() -> None:
    observer = RecordingObserver()
    async with listening(observer, peer_timeout_s=0.1) as server, dialling(peer_timeout_s=0.1) as dialer:
        channel = await dialer.channel(server.address)
        await asyncio.sleep(0.5)
        assert not channel.over
        assert observer.ends == []


async def test_a_large_body_is_fetched_in_parts_and_arrives_whole() -> None:
    engine = FakeEngine()
    body = bytes(range(256)) * 4096
    async with listening() as server, dialling() as dialer:
        awaited, packed = opening(server, body=body)
        call = Call(Replies(dialer, len(body)), packed, engine)
        await call.accepted.wait()
        accept(server, awaited, dialer)
        engine.frames.put_nowait(LAST)
        assert await rest(awaited) == [b"end"]
        assert engine.requests[0].body == body
        await call.task


async def test_a_body_beyond_the_limit_is_refused_before_it_is_fetched() -> None:
    engine = FakeEngine()
    async with listening() as server, dialling() as dialer:
        _, packed = opening(server, body=bytes(101))
        call = Call(Replies(dialer, 100), packed, engine)
        with pytest.raises(ValueError, match="101 bytes"):
            await call.task
        assert server.traffic.received_messages == 0


async def test_a_body_for_a_stream_that_nobody_wants_is_not_sent() -> None:
    async with listening() as server:
        stranger = await Stranger.at(server.address)
        stranger.say(KEY.hello(stranger.challenge, server.address.life, "replica-1", new_life(), new_nonce()))
        assert isinstance(await stranger.receive(), Welcome)
        stranger.say(Fetch(99))
        assert await stranger.receive() == Cancel(99)
        awaited = server.expect(1000, b"body", "org")
        stranger.say(Fetch(awaited.stream))
        assert await stranger.receive() == Body(awaited.stream, b"body", last=True)
        stranger.close()


async def test_a_failing_engine_loses_its_stream_after_the_frames_before_it_and_without_its_text() -> None:
    engine = FakeEngine()
    async with listening() as server, dialling() as dialer:
        awaited, packed = opening(server)
        call = Call(Replies(dialer, 100), packed, engine)
        await call.accepted.wait()
        accept(server, awaited, dialer)
        engine.frames.put_nowait(Frame(payloads=[b"a"]))
        assert (await awaited.inbox.take()).payloads == [b"a"]
        engine.frames.put_nowait(Frame(payloads=[b"b"]))
        engine.frames.put_nowait(RuntimeError("secret of the engine"))
        assert (await awaited.inbox.take()).payloads == [b"b"]
        with pytest.raises(ReplicaLost, match="RuntimeError") as lost:
            await awaited.inbox.take()
        assert "secret" not in str(lost.value)
        with pytest.raises(RuntimeError):
            await call.task


async def test_a_frame_that_no_message_holds_ends_its_own_stream_alone() -> None:
    engines = FakeEngine(), FakeEngine()
    async with listening() as server, dialling() as dialer:
        replies = Replies(dialer, 100)
        streams, calls = [], []
        for engine in engines:
            awaited, packed = opening(server)
            calls.append(Call(replies, packed, engine))
            await calls[-1].accepted.wait()
            accept(server, awaited, dialer)
            streams.append(awaited)
        engines[0].frames.put_nowait(Frame(payloads=[bytes(MAX_MESSAGE_BYTES)], usage=EngineUsage(1, 1)))
        with pytest.raises(ReplicaLost, match="FrameTooLarge"):
            await streams[0].inbox.take()
        with pytest.raises(FrameTooLarge):
            await calls[0].task
        engines[1].frames.put_nowait(LAST)
        assert await rest(streams[1]) == [b"end"]


async def test_much_in_one_turn_goes_out_as_several_messages() -> None:
    engine = FakeEngine()
    async with listening(max_waiting_bytes=1 << 30) as server, dialling() as dialer:
        awaited, packed = opening(server, window_bytes=1 << 30)
        call = Call(Replies(dialer, 100), packed, engine)
        await call.accepted.wait()
        accept(server, awaited, dialer)
        for _ in range(20):
            engine.frames.put_nowait(Frame(payloads=[bytes(MAX_MESSAGE_BYTES // 4)]))
        engine.frames.put_nowait(LAST)
        assert sum(map(len, await rest(awaited))) == 5 * MAX_MESSAGE_BYTES + 3
        await call.task


async def test_a_frame_beyond_the_window_ends_the_channel() -> None:
    observer = RecordingObserver()
    async with listening(observer) as server:
        stranger = await Stranger.at(server.address)
        stranger.say(KEY.hello(stranger.challenge, server.address.life, "replica-1", new_life(), new_nonce()))
        assert isinstance(await stranger.receive(), Welcome)
        awaited = server.expect(10, b"", "org")
        stranger.say(Step([Delta(awaited.stream, [bytes(10)]), Delta(awaited.stream, [b"x"])]))
        assert await stranger.hung_up()
        assert observer.ends == ["protocol"]
        assert awaited.inbox.over


async def test_a_socket_that_takes_nothing_holds_the_engine() -> None:
    """The gateway's process stands still: windows of many streams could fill the replica's memory, the socket's limit does not."""
    engine = FakeEngine()
    async with dialling() as dialer:
        hold = asyncio.Event()

        async def standing_still(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            stranger = Stranger(reader, writer)
            challenge = new_nonce()
            stranger.say(Challenge(challenge))
            length = int.from_bytes(await reader.readexactly(4), "little")
            hello = msgspec.msgpack.decode(await reader.readexactly(length), type=Hello)
            stranger.say(KEY.welcome(challenge, hello))
            writer.transport.pause_reading()
            await hold.wait()
            writer.close()

        server = await asyncio.start_server(standing_still, "127.0.0.1", 0, limit=1024)
        async with server:
            address = GatewayAddress("127.0.0.1", server.sockets[0].getsockname()[1], new_life())
            request = EngineRequest("r", Operation.CHAT, b"{}", stream=True, cache_salt="salt", org_tag="org")
            packed = msgspec.msgpack.encode(Open(address, 1, 1 << 30, request))
            call = Call(Replies(dialer, 100), packed, engine)
            await call.accepted.wait()
            for _ in range(1000):
                engine.frames.put_nowait(Frame(payloads=[bytes(64 << 10)]))
            await asyncio.sleep(0.5)
            assert engine.taken * (64 << 10) < 32 << 20
            assert not call.task.done()
            hold.set()
            with pytest.raises(ChannelUnavailable):
                await asyncio.wait_for(call.task, 2)
            assert engine.aborted == 1


async def test_too_much_that_waits_ends_the_answer_that_holds_most_and_its_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its organization's others and other organizations' answers go on."""
    monkeypatch.setattr("cluster.relay.channel.gateway_end._REPORT_INTERVAL_S", 0.02)
    observer = RecordingObserver()
    async with listening(observer, max_waiting_bytes=2500) as server, dialling() as dialer:
        channel = await dialer.channel(server.address)
        awaited = {name: server.expect(4000, b"", owner) for name, owner in (("a", "one"), ("b", "one"), ("c", "two"))}
        stopped = {name: asyncio.Event() for name in awaited}
        outboxes = {name: channel.open(stream.stream, 4000, 0, stopped[name].set) for name, stream in awaited.items()}
        for stream in awaited.values():
            accept(server, stream, dialer)
        await outboxes["a"].send(Frame(payloads=[b"x" * 1000]))
        await outboxes["b"].send(Frame(payloads=[b"x" * 700]))
        await outboxes["c"].send(Frame(payloads=[b"x" * 750]))
        await eventually(lambda: observer.waiting_bytes == 2450)
        assert observer.given_up == 0
        await outboxes["b"].send(Frame(payloads=[b"y" * 100]))
        await asyncio.wait_for(stopped["a"].wait(), 2)
        with pytest.raises(ClientTooSlow):
            await awaited["a"].inbox.take()
        await outboxes["b"].send(Frame(payloads=[b"end"], usage=EngineUsage(1, 2)))
        await eventually(lambda: observer.waiting_bytes == 1553)
        assert observer.given_up == 1
        assert not stopped["b"].is_set()
        last = await awaited["b"].inbox.take()
        assert (len(b"".join(last.payloads)), last.last) == (803, True)
        server.forget(awaited["c"])
        assert server.waiting.size_bytes == 0
