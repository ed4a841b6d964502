"""A small Ray Serve: scripted engines behind the cluster's router, and gateways that reach them over either relay."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineRequest, Frame, Operation
from cluster.inference.attempt import open_answer
from cluster.inference.deadline import Deadline
from cluster.relay.channel.connection import Traffic
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel_call import ChannelCall
from cluster.relay.contract import EngineStream
from cluster.relay.handle import HandleRelay
from cluster.relay.observer import SilentChannelObserver
from cluster.relay.stepped import SteppedRelay, SteppedStream
from cluster.routing.ticket import RouteTicket
from tests.integration.relay.fake_engine import Script

APP = "relay"
#: Two replicas with room, and one that takes two requests at a time.
WIDE, NARROW = "wide", "narrow"
NARROW_LIMIT = 2
MAX_BUFFERED_BYTES = 256 << 10
SETTINGS = RelaySettings(max_buffered_bytes=MAX_BUFFERED_BYTES, max_request_bytes=64 << 20, peer_timeout_s=20.0)
#: The ways to a replica and back: both by the handle; calls by the handle and tokens over the channel; both over the channel.
HANDLE, STEPPED, CALLS = "handle", "stepped", "stepped, with calls"
KEY = ChannelKey.of(b"the secret of the test's cluster..")
READ_TIMEOUT_S = 30.0


@dataclass
class Read:
    """Frames of one stream as its reader got them, seconds since it was opened, and how it ended."""

    payloads: list[list[bytes]] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    last: Frame | None = None
    error: str | None = None

    @property
    def content(self) -> list[bytes]:
        return [payload for payloads in self.payloads for payload in payloads]


class _Observer:
    def __init__(self) -> None:
        self.retries: list[str] = []

    def attempted(self) -> str | None:
        return None

    def routed(self, ticket: RouteTicket) -> None:
        return

    def retried(self, reason: str) -> None:
        self.retries.append(reason)


@ray.remote(num_cpus=0)
class FakeGateway:
    """The relay's side of a gateway, without edges."""

    async def __init__(self, implementation: str, key: ChannelKey = KEY) -> None:  # type: ignore[misc]  # Ray awaits it
        handles: dict[str, DeploymentHandle] = {name: serve.get_deployment_handle(name, APP) for name in (WIDE, NARROW)}
        self._relay: HandleRelay | SteppedRelay
        if implementation == HANDLE:
            self._relay = HandleRelay(handles)
        else:
            settings = SETTINGS.model_copy(update={"calls": "channel" if implementation == CALLS else "handle"})
            self._relay = SteppedRelay(handles, settings, key, SilentChannelObserver())
            await self._relay.start("127.0.0.1")
        self._streams: dict[str, tuple[EngineStream, Any, RouteTicket, float]] = {}

    async def traffic(self) -> Traffic:
        """What has passed on all its channels."""
        assert isinstance(self._relay, SteppedRelay)
        return self._relay._server.traffic

    async def awaited(self) -> int:
        assert isinstance(self._relay, SteppedRelay)
        return len(self._relay._server.awaited)

    async def handle_calls(self) -> int:
        """How many of its streams that were not given up have been carried by a handle."""
        calls = [stream._call for stream, *_ in self._streams.values() if isinstance(stream, SteppedStream) and not stream._done]
        return sum(1 for call in calls if not isinstance(call, ChannelCall) or call._instead is not None)

    async def open(self, name: str, script: Script, model: str = WIDE, anchor: bytes = b"") -> None:
        ticket = RouteTicket(anchor=anchor)
        stream = self._relay.open(model, _request(name, script), ticket)
        self._streams[name] = (stream, aiter(stream), ticket, time.monotonic())

    async def read(self, name: str, frames: int | None = None, timeout_s: float = READ_TIMEOUT_S) -> Read:
        """Read so many frames, or all. A reader that waits too long gives up without cancelling."""
        _, iterator, _, began_s = self._streams[name]
        read = Read()
        try:
            async with asyncio.timeout(timeout_s):
                while read.last is None and (frames is None or len(read.payloads) < frames):
                    frame = await anext(iterator)
                    read.payloads.append(frame.payloads)
                    read.at_s.append(time.monotonic() - began_s)
                    if frame.last:
                        read.last = frame
        except Exception as error:  # noqa: BLE001 - the test is told
            read.error = f"{type(error).__name__}: {error}"
        return read

    async def cancel(self, name: str) -> float:
        """Cancel a stream; when that was, in Unix seconds."""
        now_s = time.time()
        await self._streams[name][0].cancel()
        return now_s

    async def open_and_cancel(self, name: str, script: Script) -> None:
        """Both in one turn of the event loop; of two calls of an actor, the later may be the first to run."""
        await self.open(name, script)
        await self.cancel(name)

    async def answering_replica(self, name: str) -> str | None:
        return self._streams[name][2].replica_id

    async def answer(self, name: str, script: Script, model: str = WIDE) -> Read:
        await self.open(name, script, model)
        return await self.read(name)

    async def answer_all(self, scripts: dict[str, Script], model: str = WIDE) -> dict[str, Read]:
        reads = await asyncio.gather(*(self.answer(name, script, model) for name, script in scripts.items()))
        return dict(zip(scripts, reads, strict=True))

    async def first_frame_with_retry(self, name: str, script: Script, anchor: bytes) -> tuple[Frame, list[str], str | None]:
        """What an edge does: the first frame, the reasons of retries, and who answered."""
        observer = _Observer()
        deadline = Deadline(asyncio.get_running_loop().time() + READ_TIMEOUT_S)
        opened, ticket = await open_answer(
            self._relay,
            WIDE,
            _request(name, script),
            lambda excluded: RouteTicket(anchor=anchor, excluded=excluded),
            deadline,
            observer,
        )
        deadline.close()
        await opened.stream.cancel()
        return opened.first, observer.retries, ticket.replica_id


def _request(name: str, script: Script) -> EngineRequest:
    return EngineRequest(
        request_id=name,
        operation=Operation.CHAT,
        body=msgspec.json.encode(script),
        stream=True,
        cache_salt="salt",
        org_tag="org",
    )
