"""Both ends of channels in one event loop, and a connection that says what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from cluster.engine.contract import EngineRequest, Frame, Operation
from cluster.relay.channel.framing import HEADER_BYTES, pack
from cluster.relay.channel.gateway_end import Awaited, ChannelServer
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel.messages import Accepted, Challenge, FromGateway, GatewayAddress, Message, Open
from cluster.relay.channel.replica_end import Dialer
from cluster.relay.loads import ReplicaLoads
from cluster.routing.residency.table import ResidencyTable

KEY = ChannelKey.of(b"a secret of thirty-two bytes or so")
MAX_MESSAGE_BYTES = 1 << 20
PEER_TIMEOUT_S = 20.0


@dataclass
class RecordingObserver:
    """Implements :class:`~cluster.relay.observer.ChannelObserver`."""

    connected: list[bool] = field(default_factory=list)
    refused: int = 0
    ends: list[str] = field(default_factory=list)
    open: int = 0
    messages: int = 0
    known_replicas: int = 0
    waiting_bytes: int = 0
    given_up: int = 0

    def channel_connected(self, *, again: bool) -> None:
        self.connected.append(again)

    def channel_refused(self) -> None:
        self.refused += 1

    def channel_ended(self, reason: str) -> None:
        self.ends.append(reason)

    def channels_open(self, count: int) -> None:
        self.open = count

    def channel_traffic(self, *, received_bytes: int, sent_bytes: int, messages: int, frames: int) -> None:
        self.messages += messages

    def waiting(self, *, size_bytes: int, given_up: int) -> None:
        self.waiting_bytes = size_bytes
        self.given_up += given_up

    def residency(self, *, replicas: int, hashes: int, gaps: int) -> None:
        self.known_replicas = replicas


@asynccontextmanager
async def listening(
    observer: RecordingObserver | None = None,
    *,
    key: ChannelKey = KEY,
    peer_timeout_s: float = PEER_TIMEOUT_S,
    residency: ResidencyTable | None = None,
    loads: ReplicaLoads | None = None,
    max_waiting_bytes: int = 1 << 20,
) -> AsyncIterator[ChannelServer]:
    server = ChannelServer(
        key, MAX_MESSAGE_BYTES, peer_timeout_s, observer or RecordingObserver(), residency, loads, max_waiting_bytes
    )
    await server.start("127.0.0.1")
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def dialling(
    replica_id: str = "replica-1", *, key: ChannelKey = KEY, peer_timeout_s: float = PEER_TIMEOUT_S
) -> AsyncIterator[Dialer]:
    dialer = Dialer(replica_id, key, MAX_MESSAGE_BYTES, peer_timeout_s)
    try:
        yield dialer
    finally:
        await dialer.close()


def opening(server: ChannelServer, *, window_bytes: int = 1000, body: bytes = b"") -> tuple[Awaited, bytes]:
    """A stream that the gateway waits for, and the call that asks for it."""
    awaited = server.expect(window_bytes, body, "org")
    request = EngineRequest(
        request_id=f"chatcmpl-{awaited.stream}",
        operation=Operation.CHAT,
        body=b"",
        stream=True,
        cache_salt="salt",
        org_tag="org",
    )
    return awaited, msgspec.msgpack.encode(Open(server.address, awaited.stream, window_bytes, request, len(body)))


def accept(server: ChannelServer, awaited: Awaited, dialer: Dialer) -> None:
    server.accepted(awaited, Accepted(dialer.identity.replica_id, dialer.identity.life))


async def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - conditions of any kind
            await asyncio.sleep(0.002)


async def rest(awaited: Awaited) -> list[bytes]:
    """All payloads to the last frame."""
    payloads: list[bytes] = []
    while True:
        frame: Frame = await awaited.inbox.take()
        payloads += frame.payloads
        if frame.last:
            return payloads


class Stranger:
    """A connection to a gateway that is not bound to any manners."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.challenge = b""

    @classmethod
    async def at(cls, address: GatewayAddress) -> Stranger:
        self = cls(*await asyncio.open_connection(address.host, address.port))
        first = await self.receive()
        assert isinstance(first, Challenge)
        self.challenge = first.nonce
        return self

    def say(self, message: Message) -> None:
        self.write(bytes(pack(msgspec.msgpack.Encoder(), message)))

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self) -> FromGateway:
        """The next message. Raises ``asyncio.IncompleteReadError`` when the gateway hangs up."""
        length = int.from_bytes(await self._reader.readexactly(HEADER_BYTES), "little")
        message: FromGateway = msgspec.msgpack.decode(await self._reader.readexactly(length), type=FromGateway)
        return message

    async def hung_up(self, within_s: float = 2.0) -> bool:
        """Whether the gateway hangs up without saying anything more."""
        async with asyncio.timeout(within_s):
            try:
                await self.receive()
            except (asyncio.IncompleteReadError, ConnectionError):
                return True
        return False

    def close(self) -> None:
        self._writer.close()
