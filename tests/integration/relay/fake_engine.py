"""An engine that follows the script in a request's body. All its streams take their steps together, as an engine's batch does."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from ray import serve

from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineRequest, EngineTiming, EngineUsage, Fault, FaultKind, Frame, PayloadSink
from cluster.engine.deployment import EngineReplica
from cluster.relay.channel.calls import Calls
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel.replica_end import Dialer
from cluster.relay.channel.replies import Replies
from cluster.runtime.serve_gate import ServeGate


class Script(msgspec.Struct, kw_only=True):
    """What to answer: ``tokens`` payloads, one a step, the first at once; then usage, or ``fault``, or an exception.

    ``step_s``: 0 for as fast as they are taken. ``hang_at``: no payload from this number on. ``padding`` only makes a body large.
    """

    tokens: int = 3
    step_s: float = 0.01
    payload_bytes: int = 0
    fault: FaultKind | None = None
    raises: bool = False
    hang_at: int | None = None
    padding: str = ""


def payload(number: int, size_bytes: int) -> bytes:
    return b'{"token":%d}' % number + b" " * max(0, size_bytes - 14)


class FakeEngine:
    """Implements :class:`~cluster.engine.contract.Engine`."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.produced_bytes: dict[str, int] = {}
        self.aborted_at_s: dict[str, float] = {}
        self.bodies: dict[str, str] = {}
        self._beats: dict[float, asyncio.Future[None]] = {}

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def check_health(self) -> None:
        return

    async def generate(self, request: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        name = request.request_id
        script = msgspec.json.decode(request.body, type=Script)
        self.bodies[name] = hashlib.sha256(request.body).hexdigest()
        self.running[name] = self.produced_bytes[name] = 0
        try:
            for number in range(script.tokens):
                if number == script.hang_at:
                    await asyncio.Event().wait()
                if number:
                    await self._step(script.step_s)
                made = payload(number, script.payload_bytes)
                self.produced_bytes[name] += len(made)
                yield Frame(payloads=[made])
            if script.raises:
                raise RuntimeError("a defect of the engine")
            if script.fault is not None:
                yield Frame(fault=Fault(script.fault, "as asked", param="messages", code="scripted"))
                return
            yield Frame(
                usage=EngineUsage(prompt_tokens=len(request.body), completion_tokens=script.tokens, cached_tokens=1),
                timing=EngineTiming(queue_s=0.25, prefill_s=0.5),
            )
        except (asyncio.CancelledError, GeneratorExit):
            self.aborted_at_s[name] = time.time()
            raise
        finally:
            del self.running[name]

    async def _step(self, step_s: float) -> None:
        """Wait for the next beat, which all streams of one pace share."""
        if step_s == 0:
            await asyncio.sleep(0)
            return
        beat = self._beats.get(step_s)
        if beat is None or beat.done():
            loop = asyncio.get_running_loop()
            beat = self._beats[step_s] = loop.create_future()
            loop.call_later(step_s, beat.set_result, None)
        await asyncio.shield(beat)


class FakeEngineReplica(EngineReplica):
    """A replica like the served one, around the scripted engine."""

    def __init__(self, relay: RelaySettings, key: ChannelKey) -> None:
        self.engine = FakeEngine()
        self.dialer = Dialer(serve.get_replica_context().replica_id.unique_id, key, relay.max_request_bytes, relay.peer_timeout_s)
        gate = ServeGate.of_this_process()
        assert gate is not None
        self._serve = gate._replica
        self.dialer.calls = Calls(gate, relay.max_request_bytes)
        super().__init__(
            ModelSettings(id="m", source="org/m"),
            relay,
            engine=self.engine,
            replies=Replies(self.dialer, relay.max_request_bytes),
        )

    async def state(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "replica_id": serve.get_replica_context().replica_id.unique_id,
            "running": sorted(self.engine.running),
            "produced_bytes": dict(self.engine.produced_bytes),
            "aborted_at_s": dict(self.engine.aborted_at_s),
            "bodies": dict(self.engine.bodies),
            "channels": self.dialer.open_channels,
            "ongoing": self._serve.get_num_ongoing_requests() - 1,  # this question is one
        }
