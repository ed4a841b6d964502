"""The replica around an engine that is played by a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import msgspec
import pytest

from cluster.config.settings.models import AutoscalingSettings, ModelSettings
from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineRequest, EngineUsage, Fault, FaultKind, Frame, Operation, PayloadSink
from cluster.engine.deployment import EngineReplica
from cluster.relay.channel.replies import Replies
from cluster.routing.ticket import ArrivedTicket
from tests.unit.relay.ends import MAX_MESSAGE_BYTES, accept, dialling, eventually, listening, opening, rest

DECODER = msgspec.msgpack.Decoder(Frame)


class ScriptedEngine:
    """Waits for ``computed``, streams ``a``, waits for ``go``, then ends with ``cached_tokens``."""

    def __init__(self) -> None:
        self.computed = asyncio.Event()
        self.computed.set()
        self.go = asyncio.Event()
        self.cached_tokens = 0
        self.fault: Fault | None = None
        self.aborted: list[str] = []
        self.healthy = True
        self.stopped = False

    async def start(self) -> None:
        self.go.set()

    async def generate(self, request: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        try:
            if self.fault is not None:
                yield Frame(fault=self.fault)
                return
            await self.computed.wait()
            yield Frame(payloads=[b"a"])
            await self.go.wait()
            usage = EngineUsage(prompt_tokens=9, completion_tokens=1, cached_tokens=self.cached_tokens)
            yield Frame(payloads=[b"b"], usage=usage)
        except (asyncio.CancelledError, GeneratorExit):
            self.aborted.append(request.request_id)
            raise

    async def check_health(self) -> None:
        if not self.healthy:
            raise RuntimeError("dead")

    async def stop(self) -> None:
        self.stopped = True


class RecordingObserver:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def cross_org_hit(self, model: str) -> None:
        self.calls.append(("cross_org_hit", model))

    def isolation_judged(self, model: str) -> None:
        self.calls.append(("isolation_judged", model))

    def cold_start_phase(self, model: str, phase: str, seconds: float) -> None:
        self.calls.append(("cold_start_phase", model, phase))

    def engine_died(self, model: str) -> None:
        self.calls.append(("engine_died", model))


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver()


@pytest.fixture
def replica(engine: ScriptedEngine, observer: RecordingObserver) -> EngineReplica:
    return EngineReplica(ModelSettings(id="m", source="org/m"), RelaySettings(), observer=observer, engine=engine)


def request(number: int = 1, org: str = "org", body: bytes = b"{}") -> EngineRequest:
    return EngineRequest(
        request_id=f"chatcmpl-{number}", operation=Operation.CHAT, body=body, stream=True, cache_salt="salt", org_tag=org
    )


TICKET = ArrivedTicket((b"m" * 16,), 7)


def told(replica: EngineReplica) -> tuple[float, tuple[bytes, ...]]:
    """What gateways hear: tokens still to be computed, and marks of prompts."""
    stats = replica.record_routing_stats()
    return stats["pending_tokens"], stats["marks"]


async def answer(replica: EngineReplica, of: EngineRequest) -> Frame:
    frames = [DECODER.decode(item) async for item in replica.stream(of, ticket=TICKET)]
    return Frame(
        payloads=[payload for frame in frames for payload in frame.payloads], usage=frames[-1].usage, fault=frames[-1].fault
    )


async def test_frames_cross_as_messagepack_and_keep_their_content(replica: EngineReplica, engine: ScriptedEngine) -> None:
    engine.go.set()
    whole = await answer(replica, request())
    assert whole.payloads == [b"a", b"b"]
    assert whole.usage == EngineUsage(prompt_tokens=9, completion_tokens=1)


async def test_routing_stats_follow_a_request_from_waiting_to_running_to_gone(
    replica: EngineReplica, engine: ScriptedEngine
) -> None:
    idle = {"running": 0, "waiting": 0, "ongoing": 0, "pending_tokens": 0.0, "marks": (), "number": 0, "given_tokens": 0}
    assert replica.record_routing_stats() == idle
    stream = replica.stream(request())
    await anext(stream)
    assert replica.record_routing_stats() == idle | {"running": 1, "ongoing": 1, "number": 1}
    engine.go.set()
    async for _ in stream:
        pass
    assert replica.record_routing_stats() == idle | {"number": 2}


async def test_a_ticket_is_told_of_until_its_prompt_is_computed(replica: EngineReplica, engine: ScriptedEngine) -> None:
    engine.computed.clear()
    stream = replica.stream(request(), ticket=TICKET)
    first = asyncio.ensure_future(anext(stream))
    await eventually(lambda: told(replica) == (7, TICKET.marks))
    engine.computed.set()
    await first
    assert told(replica) == (0, TICKET.marks)
    await stream.aclose()


async def test_autoscaling_hears_of_late_prompts_and_of_those_forced_off_their_cache(engine: ScriptedEngine) -> None:
    limits = AutoscalingSettings(target_ttft_ms=1.0)
    replica = EngineReplica(ModelSettings(id="m", source="org/m", autoscaling=limits), RelaySettings(), engine=engine)
    engine.go.set()
    engine.computed.clear()
    waiting = asyncio.ensure_future(answer(replica, request()))
    await eventually(lambda: replica.record_autoscaling_stats() == {"prompts": 1, "late": 1, "forced_off": 0})
    engine.computed.set()
    await waiting
    async for _ in replica.stream(request(2), ticket=replace(TICKET, forced_off=True)):
        pass
    stats = replica.record_autoscaling_stats()
    assert (stats["prompts"], stats["forced_off"]) == (2, 1)
    assert stats["late"] >= 1


async def test_a_ticket_is_told_of_where_the_answer_takes_a_channel(engine: ScriptedEngine, observer: RecordingObserver) -> None:
    engine.computed.clear()
    async with listening() as server, dialling() as dialer:
        replica = EngineReplica(
            ModelSettings(id="m", source="org/m"),
            RelaySettings(),
            observer=observer,
            engine=engine,
            replies=Replies(dialer, MAX_MESSAGE_BYTES),
        )
        awaited, call = opening(server)
        answer = replica.open(call, ticket=TICKET)
        await anext(answer)
        await eventually(lambda: told(replica) == (7, TICKET.marks))
        engine.computed.set()
        engine.go.set()
        accept(server, awaited, dialer)
        assert await rest(awaited) == [b"a", b"b"]
        assert told(replica) == (0, TICKET.marks)
        await answer.aclose()


@pytest.mark.parametrize("way", ["stream", "open"])
async def test_a_call_that_is_given_up_leaves_nothing_to_compute(
    engine: ScriptedEngine, observer: RecordingObserver, way: str
) -> None:
    engine.computed.clear()
    async with listening() as server, dialling() as dialer:
        replies = Replies(dialer, MAX_MESSAGE_BYTES)
        model = ModelSettings(id="m", source="org/m")
        replica = EngineReplica(model, RelaySettings(), observer=observer, engine=engine, replies=replies)
        _, call = opening(server)
        answer = replica.open(call, ticket=TICKET) if way == "open" else replica.stream(request(), ticket=TICKET)
        reading = asyncio.ensure_future(anext(answer))
        await eventually(lambda: told(replica)[0] == 7)
        reading.cancel()
        await asyncio.wait({reading})
        await answer.aclose()
        assert told(replica)[0] == 0


async def test_closing_the_stream_aborts_the_engine_request(replica: EngineReplica, engine: ScriptedEngine) -> None:
    stream = replica.stream(request(7))
    await anext(stream)
    await stream.aclose()
    assert engine.aborted == ["chatcmpl-7"]
    stats = replica.record_routing_stats()
    assert (stats["running"], stats["waiting"], stats["pending_tokens"]) == (0, 0, 0.0)


async def test_a_foreign_hit_is_reported_once(replica: EngineReplica, engine: ScriptedEngine, observer: RecordingObserver) -> None:
    engine.go.set()
    engine.cached_tokens = 128
    await answer(replica, request(1))
    await answer(replica, request(2))
    assert observer.calls == [("cross_org_hit", "m"), ("isolation_judged", "m")]


@pytest.mark.parametrize("body", [b'{"n":2}', b'{"prompt":["a","b"]}', b'{"prompt": [[1,2]]}', b"no json"])
async def test_requests_that_can_meet_their_own_blocks_raise_no_alarm(
    replica: EngineReplica, engine: ScriptedEngine, observer: RecordingObserver, body: bytes
) -> None:
    engine.go.set()
    engine.cached_tokens = 128
    await answer(replica, request(body=body))
    assert observer.calls == []


async def test_a_first_request_that_ends_in_a_fault_is_neither_judged_nor_kept(
    replica: EngineReplica, engine: ScriptedEngine, observer: RecordingObserver
) -> None:
    engine.fault = Fault(FaultKind.INVALID_REQUEST, "no")
    assert (await answer(replica, request())).fault == engine.fault
    assert observer.calls == []
    stats = replica.record_routing_stats()
    assert (stats["running"], stats["waiting"], stats["pending_tokens"]) == (0, 0, 0.0)


async def test_a_dead_engine_fails_health_checks_and_is_reported_once(
    replica: EngineReplica, engine: ScriptedEngine, observer: RecordingObserver
) -> None:
    await replica.check_health()
    engine.healthy = False
    for _ in range(2):
        with pytest.raises(RuntimeError, match="dead"):
            await replica.check_health()
    assert observer.calls == [("engine_died", "m")]


async def test_start_and_stop_reach_the_engine(replica: EngineReplica, engine: ScriptedEngine) -> None:
    await replica.start()
    await replica.stop()
    assert engine.go.is_set()
    assert engine.stopped
