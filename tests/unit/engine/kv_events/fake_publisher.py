"""An engine core's publisher that drops what it is told to drop: same sockets, same frames, same replay as vLLM's."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import msgspec
import zmq
import zmq.asyncio

from cluster.engine.vllm.kv_events.sockets import EventSockets
from cluster.engine.vllm.kv_events.wire import AllBlocksCleared, BlockRemoved, BlockStored, EventBatch

_END = (-1).to_bytes(8, "big", signed=True)


class FakePublisher:
    """``kept`` batches can be replayed. With ``answers`` off, replays are asked for in vain."""

    def __init__(self, sockets: EventSockets, kept: int = 100) -> None:
        self._context = zmq.asyncio.Context()
        self._sockets = sockets
        self._buffer: deque[tuple[int, bytes]] = deque(maxlen=kept)
        self._number = 0
        self.answers = True
        self.replays: list[int] = []

    async def start(self) -> None:
        self._pub = self._context.socket(zmq.XPUB)  # a PUB that tells who listens
        self._pub.bind(self._sockets.events)
        self._router = self._context.socket(zmq.ROUTER)
        self._router.bind(self._sockets.replay)
        self._task = asyncio.create_task(self._answer())

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._context.destroy(linger=0)

    async def subscribed(self) -> None:
        """Wait until somebody listens: what is published before is lost to them."""
        await asyncio.wait_for(self._pub.recv(), 30)

    async def publish(self, *events: BlockStored | BlockRemoved | AllBlocksCleared, drop: bool = False) -> int:
        """Send a batch, or only keep it for a replay. Returns its number."""
        number, self._number = self._number, self._number + 1
        payload = msgspec.msgpack.encode(EventBatch(ts=0.0, events=list(events)))
        self._buffer.append((number, payload))
        if not drop:
            await self._pub.send_multipart([b"", number.to_bytes(8, "big"), payload])
        return number

    async def publish_raw(self, *frames: bytes) -> None:
        await self._pub.send_multipart(frames)

    def begin_anew(self) -> None:
        self._number = 0
        self._buffer.clear()

    async def _answer(self) -> None:
        while True:
            client, _, packed = await self._router.recv_multipart()
            first = int.from_bytes(packed, "big")
            self.replays.append(first)
            if not self.answers:
                continue
            for number, payload in list(self._buffer):
                if number >= first:
                    await self._router.send_multipart([client, b"", b"", number.to_bytes(8, "big"), payload])
            await self._router.send_multipart([client, b"", b"", _END, b""])
