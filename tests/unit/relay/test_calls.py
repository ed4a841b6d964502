"""Requests over the channel, with both ends in one event loop; only Ray Serve's gate and its handle are not the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineRequest, EngineUsage, Frame, Operation, PayloadSink
from cluster.relay import call_router
from cluster.relay.channel.calls import Admission, Calls
from cluster.relay.channel.messages import Call, Cancel
from cluster.relay.channel.replica_end import Dialer
from cluster.relay.channel.reply import Reply
from cluster.relay.contract import ReplicaLost
from cluster.relay.observer import SilentChannelObserver
from cluster.relay.stepped import INLINE_BODY_BYTES, SteppedRelay, SteppedStream
from cluster.routing.ticket import ArrivedTicket, RouteTicket
from tests.unit.relay.ends import KEY, MAX_MESSAGE_BYTES, Stranger, dialling, eventually
from tests.unit.relay.test_stepped_stream import FakeHandle

LAST = Frame(payloads=[b"end"], usage=EngineUsage(1, 2))


@dataclass
class FakeRouter:
    """Gives the order that the test wants, and counts."""

    replicas: list[str]
    sent_to: list[str] = field(default_factory=list)
    ended_at: list[str] = field(default_factory=list)
    taken_by: list[tuple[str, int]] = field(default_factory=list)
    declined_by: list[tuple[str, int]] = field(default_factory=list)

    def order(self, ticket: RouteTicket) -> Sequence[str]:
        return self.replicas

    def sent(self, replica_id: str) -> None:
        self.sent_to.append(replica_id)

    def taken(self, ticket: RouteTicket, replica_id: str, ongoing: int) -> None:
        self.taken_by.append((replica_id, ongoing))

    def declined(self, replica_id: str, ongoing: int) -> None:
        self.declined_by.append((replica_id, ongoing))

    def ended(self, replica_id: str) -> None:
        self.ended_at.append(replica_id)


@dataclass
class FakeGate:
    """Lets calls in while it is ``open`` and answers them with ``frames``; hangs after these, or raises."""

    open: bool = True
    frames: list[Frame] = field(default_factory=lambda: [Frame(payloads=[b"a"]), LAST])
    hangs: bool = False
    defect: Exception | None = None
    requests: list[EngineRequest] = field(default_factory=list)
    tickets: list[ArrivedTicket] = field(default_factory=list)
    aborted: int = 0
    ongoing: int = 0

    async def enter(self, reply: Reply, ticket: ArrivedTicket) -> AsyncGenerator[Admission, None]:
        if not self.open:
            yield Admission(accepted=False, ongoing=9)
            return
        self.ongoing += 1
        self.tickets.append(ticket)
        try:
            yield Admission(accepted=True, ongoing=self.ongoing)
            await reply.run(self._generate)
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        finally:
            self.ongoing -= 1

    async def _generate(self, request: EngineRequest, sink: PayloadSink) -> AsyncGenerator[Frame, None]:
        self.requests.append(request)
        for frame in self.frames:
            yield frame
        if self.hangs:
            await asyncio.Event().wait()
        if self.defect is not None:
            raise self.defect


@dataclass
class Setting:
    """A gateway's relay, and the channels of some replicas to it."""

    relay: SteppedRelay
    handle: FakeHandle
    router: FakeRouter
    gates: dict[str, FakeGate]
    dialers: dict[str, Dialer]

    def open(self, body: bytes = b"{}", ticket: RouteTicket | None = None) -> SteppedStream:
        request = EngineRequest("chatcmpl-1", Operation.CHAT, body, stream=True, cache_salt="salt", org_tag="org")
        return self.relay.open("m", request, ticket or RouteTicket())

    async def connect(self, replica_id: str) -> None:
        await self.dialers[replica_id].channel(self.relay._server.address)
        await eventually(lambda: self.relay._server.channel_for_calls(replica_id) is not None)


@asynccontextmanager
async def a_setting(*replicas: str, calls: str = "channel", connected: bool = True) -> AsyncIterator[Setting]:
    handle, router = FakeHandle(), FakeRouter(list(replicas))
    call_router.PROCESS_ROUTERS[handle.deployment_name] = router
    settings = RelaySettings.model_validate({"calls": calls})
    relay = SteppedRelay({"m": handle}, settings, KEY, SilentChannelObserver())
    await relay.start("127.0.0.1")
    gates = {replica_id: FakeGate() for replica_id in replicas}
    try:
        async with AsyncExitStack() as stack:
            dialers = {}
            for replica_id, gate in gates.items():
                dialers[replica_id] = dialer = await stack.enter_async_context(dialling(replica_id))
                dialer.calls = Calls(gate, MAX_MESSAGE_BYTES)
            setting = Setting(relay, handle, router, gates, dialers)
            if connected:
                for replica_id in replicas:
                    await setting.connect(replica_id)
            yield setting
    finally:
        await relay.close()
        del call_router.PROCESS_ROUTERS[handle.deployment_name]


async def test_a_request_takes_the_channel_and_no_handle_is_called() -> None:
    async with a_setting("one") as setting:
        ticket = RouteTicket(anchor=b"a" * 16, chain=(b"a" * 16,), prompt_bytes=512, uncached_tokens=7)
        stream = setting.open(b"the body", ticket)
        assert b"".join([payload async for frame in stream for payload in frame.payloads]) == b"aend"
        assert setting.handle.calls == []
        assert [request.body for request in setting.gates["one"].requests] == [b"the body"]
        assert setting.gates["one"].tickets == [ticket.arriving()]
        assert setting.router.taken_by == [("one", 1)]
        assert setting.router.sent_to == setting.router.ended_at == ["one"]
        assert ticket.replica_id == "one"
        assert setting.relay._server.awaited == {}


async def test_a_replica_without_a_channel_is_called_by_the_handle() -> None:
    async with a_setting("one", connected=False) as setting:
        stream = setting.open()
        assert len(setting.handle.calls) == 1
        assert setting.router.sent_to == []
        await stream.cancel()
        assert setting.handle.calls[0][1].cancelled


async def test_calls_by_the_handle_are_a_setting() -> None:
    async with a_setting("one", calls="handle") as setting:
        await setting.open().cancel()
        assert len(setting.handle.calls) == 1


async def test_a_router_that_names_nobody_leaves_the_call_to_the_handle() -> None:
    async with a_setting("one") as setting:
        setting.router.replicas = []
        await setting.open().cancel()
        assert len(setting.handle.calls) == 1


async def test_a_replica_without_room_is_passed_over() -> None:
    async with a_setting("full", "free") as setting:
        setting.gates["full"].open = False
        ticket = RouteTicket()
        frames = [frame async for frame in setting.open(ticket=ticket)]
        assert frames[-1].last
        assert setting.router.declined_by == [("full", 9)]
        assert setting.router.taken_by == [("free", 1)]
        assert setting.router.ended_at == ["full", "free"]
        assert ticket.replica_id == "free"


async def test_when_nobody_has_room_the_call_waits_at_the_handle() -> None:
    names = ("one", "two", "three", "four")
    async with a_setting(*names) as setting:
        for gate in setting.gates.values():
            gate.open = False
        stream = setting.open()
        await eventually(lambda: len(setting.handle.calls) == 1)
        # Three refusals are enough to know.
        assert [name for name, _ in setting.router.declined_by] == ["one", "two", "three"]
        assert setting.router.ended_at == setting.router.sent_to == ["one", "two", "three"]
        await stream.cancel()


async def test_cancelling_aborts_the_generation_and_counts_its_end_once() -> None:
    async with a_setting("one") as setting:
        setting.gates["one"].hangs, setting.gates["one"].frames = True, [Frame(payloads=[b"a"])]
        stream = setting.open()
        assert (await anext(stream)).payloads == [b"a"]
        await stream.cancel()
        await stream.cancel()
        await eventually(lambda: setting.gates["one"].aborted == 1)
        assert setting.router.ended_at == ["one"]


async def test_cancelling_in_the_turn_of_opening_leaves_no_work() -> None:
    async with a_setting("one") as setting:
        setting.gates["one"].hangs = True
        stream = setting.open()
        await stream.cancel()
        await asyncio.sleep(0.05)
        assert setting.gates["one"].ongoing == 0
        assert setting.router.ended_at == ["one"]


async def test_a_call_that_is_given_up_before_its_work_began_leaves_nothing_in_the_replica() -> None:
    async with a_setting("one") as setting:
        [channel] = setting.dialers["one"].channels()
        request = EngineRequest("chatcmpl-1", Operation.CHAT, b"{}", stream=True, cache_salt="salt", org_tag="org")
        # In one turn, as when both come in one piece from the socket.
        channel._on_message(Call(7, 1000, request, RouteTicket().arriving()))
        channel._on_message(Cancel(7))
        assert list(channel._outboxes) == [7]
        await eventually(lambda: not channel._outboxes)
        assert setting.gates["one"].requests == []


async def test_the_end_of_the_channel_loses_the_request_and_says_whose_it_was() -> None:
    async with a_setting("one") as setting:
        setting.gates["one"].hangs, setting.gates["one"].frames = True, []
        ticket = RouteTicket()
        stream = setting.open(ticket=ticket)
        await eventually(lambda: setting.gates["one"].ongoing == 1)
        await setting.dialers["one"].close()
        with pytest.raises(ReplicaLost):
            await asyncio.wait_for(anext(stream), 2)
        assert ticket.replica_id == "one"
        assert setting.router.ended_at == ["one"]
        assert setting.gates["one"].aborted == 1


async def test_a_defect_of_the_engine_is_a_lost_replica_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async with a_setting("one") as setting:
        setting.gates["one"].frames, setting.gates["one"].defect = [Frame(payloads=[b"a"])], RuntimeError("a secret")
        stream = setting.open()
        with pytest.raises(ReplicaLost, match=r"failed \(RuntimeError\)$"):
            async for _ in stream:
                pass
        assert "a secret" in caplog.text
        assert any(vars(record).get("answer_id") for record in caplog.records)


async def test_a_large_body_is_fetched_over_the_channel() -> None:
    async with a_setting("one") as setting:
        body = bytes(INLINE_BODY_BYTES + 1)
        async with aclosing(_frames(setting.open(body))) as frames:
            assert [frame async for frame in frames][-1].last
        assert setting.gates["one"].requests[0].body == body


async def test_a_gateway_that_announces_too_large_a_body_is_cut_off() -> None:
    async with a_setting("one") as setting:
        server = setting.relay._server
        channel = server.channel_for_calls("one")
        assert channel is not None
        request = EngineRequest("chatcmpl-1", Operation.CHAT, b"", stream=True, cache_salt="salt", org_tag="org")
        channel.send(Call(99, 1000, request, RouteTicket().arriving(), MAX_MESSAGE_BYTES + 1))
        await eventually(lambda: server.channel_for_calls("one") is None)


async def test_a_stranger_who_takes_calls_without_a_proof_gets_none() -> None:
    async with a_setting() as setting:
        stranger = await Stranger.at(setting.relay._server.address)
        stranger.write(_message_of_calls())
        assert await stranger.hung_up()
        setting.router.replicas = ["", "stranger"]
        await setting.open().cancel()
        assert len(setting.handle.calls) == 1


async def test_64_requests_at_once_get_their_own_answers() -> None:
    async with a_setting("one", "two") as setting:

        async def answer(number: int) -> bytes:
            stream = setting.open(b"%d" % number)
            return b"".join([payload async for frame in stream for payload in frame.payloads])

        assert await asyncio.gather(*(answer(number) for number in range(64))) == [b"aend"] * 64
        assert sorted(int(request.body) for request in setting.gates["one"].requests) == list(range(64))
        assert setting.router.ended_at == ["one"] * 64


async def _frames(stream: SteppedStream) -> AsyncGenerator[Frame, None]:
    async for frame in stream:
        yield frame


def _message_of_calls() -> bytes:
    packed: bytes = msgspec.msgpack.encode([13])
    return len(packed).to_bytes(4, "little") + packed
