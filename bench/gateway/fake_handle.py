"""Stands for Ray Serve's handle: calls :mod:`bench.gateway.fake_replica` over a socket, at next to no cost."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from collections.abc import AsyncIterator
from typing import Any

from cluster.relay.channel.handshake import ChannelKey
from cluster.routing.ticket import RouteTicket

CHANNEL_KEY = ChannelKey.of(b"the secret of the benchmark alone")
REPLICA_ID = "fake-replica"
_LENGTH_BYTES = 4


async def read_message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "little"))


def write_message(writer: asyncio.StreamWriter, message: bytes) -> None:
    writer.write(len(message).to_bytes(_LENGTH_BYTES, "little") + message)


class FakeResponse:
    """What Serve's streaming call gives: an iterator over its items."""

    def __init__(self, handle: FakeHandle, number: int) -> None:
        self._handle = handle
        self._number = number
        self.items: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._replica_result_future: asyncio.Future[FakeResponse] = asyncio.get_running_loop().create_future()
        self._replica_result_future.set_result(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (item := await self.items.get()) is not None:
            yield item

    def cancel(self) -> None:
        self._handle.send((self._number, None))


class FakeHandle:
    """One replica, which has connected by the time that the first call is made."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.deployment_name = "engine"
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count()
        self._calls: dict[int, FakeResponse] = {}
        self._receiver = asyncio.create_task(self._receive())

    @classmethod
    async def listen(cls, port: int) -> FakeHandle:
        """Wait for the replica on ``port``."""
        connected: asyncio.Future[FakeHandle] = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(lambda reader, writer: connected.set_result(cls(reader, writer)), "127.0.0.1", port)
        handle = await connected
        server.close()
        return handle

    def options(self, **_: Any) -> FakeHandle:
        return self

    def remote(self, packed: bytes, ticket: RouteTicket) -> FakeResponse:
        number = next(self._numbers)
        response = self._calls[number] = FakeResponse(self, number)
        ticket.replica_id = REPLICA_ID
        self.send((number, packed))
        return response

    def send(self, message: tuple[int, bytes | None]) -> None:
        write_message(self._writer, pickle.dumps(message))

    async def _receive(self) -> None:
        while True:
            number, item = pickle.loads(await read_message(self._reader))
            self._calls[number].items.put_nowait(item)
            if item is None:
                del self._calls[number]
