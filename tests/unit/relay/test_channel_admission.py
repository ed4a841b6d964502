"""Who gets a channel and who does not."""

from __future__ import annotations

import asyncio
import logging
import socket

import msgspec
import pytest

from cluster.engine.contract import EngineUsage, Frame
from cluster.relay.channel import gateway_end
from cluster.relay.channel.connection import HANDSHAKE_MAX_BYTES
from cluster.relay.channel.framing import HEADER_BYTES
from cluster.relay.channel.gateway_end import PORTS, ChannelServer
from cluster.relay.channel.handshake import ChannelKey, new_life, new_nonce
from cluster.relay.channel.messages import Challenge, Delta, GatewayAddress, Hello, Ping, Refused, Step, Welcome
from cluster.relay.channel.replica_end import ChannelUnavailable
from tests.unit.relay.ends import (
    KEY,
    MAX_MESSAGE_BYTES,
    PEER_TIMEOUT_S,
    RecordingObserver,
    Stranger,
    dialling,
    eventually,
    listening,
)

OTHER_KEY = ChannelKey.of(b"another secret of thirty-two bytes")
ANSWER = Step([Delta(1, [b"forged"], Frame(usage=EngineUsage(1, 1)))])


async def test_a_replica_with_the_key_gets_one_channel_however_often_it_asks() -> None:
    observer = RecordingObserver()
    async with listening(observer) as server, dialling() as dialer:
        channels = await asyncio.gather(*(dialer.channel(server.address) for _ in range(5)))
        assert len(set(map(id, channels))) == 1
        assert (observer.connected, observer.open, observer.refused) == ([False], 1, 0)


async def test_a_replica_with_another_key_is_refused_and_learns_nothing_but_that() -> None:
    observer = RecordingObserver()
    async with listening(observer) as server, dialling(key=OTHER_KEY) as dialer:
        with pytest.raises(ChannelUnavailable):
            await dialer.channel(server.address)
        assert (observer.connected, observer.refused) == ([], 1)
        assert dialer.open_channels == 0


async def test_a_gateway_without_the_key_gets_no_frames() -> None:
    """What listens at the address may be anything: it says welcome without a proof."""

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stranger = Stranger(reader, writer)
        stranger.say(Challenge(new_nonce()))
        await reader.readexactly(HEADER_BYTES)
        stranger.say(Welcome(b"p" * 32))

    impostor = await asyncio.start_server(pretend, "127.0.0.1", 0)
    async with impostor, dialling() as dialer:
        address = GatewayAddress("127.0.0.1", impostor.sockets[0].getsockname()[1], new_life())
        with pytest.raises(ChannelUnavailable, match="no proof of the gateway"):
            await dialer.channel(address)


@pytest.mark.parametrize("first", [ANSWER, Ping()])
async def test_whoever_speaks_without_a_proof_is_hung_up_on_and_no_frame_is_delivered(first: Step | Ping) -> None:
    async with listening() as server:
        awaited = server.expect(1000, b"", "org")
        stranger = await Stranger.at(server.address)
        stranger.say(first)
        assert await stranger.hung_up()
        assert awaited.stream == 1
        assert not awaited.inbox.over
        assert awaited.inbox.size_bytes == 0


async def test_a_proof_that_was_overheard_does_not_hold_on_another_connection() -> None:
    async with listening() as server:
        first = await Stranger.at(server.address)
        hello = KEY.hello(first.challenge, server.address.life, "replica-1", new_life(), new_nonce())
        first.say(hello)
        assert isinstance(await first.receive(), Welcome)
        second = await Stranger.at(server.address)
        second.say(hello)
        assert await second.hung_up()
        first.close()


async def test_a_second_proof_on_a_channel_ends_it() -> None:
    observer = RecordingObserver()
    async with listening(observer) as server:
        stranger = await Stranger.at(server.address)
        hello = KEY.hello(stranger.challenge, server.address.life, "replica-1", new_life(), new_nonce())
        stranger.say(hello)
        assert isinstance(await stranger.receive(), Welcome)
        stranger.say(hello)
        assert await stranger.hung_up()
        assert observer.ends == ["protocol"]


async def test_a_replica_that_means_an_earlier_life_of_the_gateway_is_told_so() -> None:
    observer = RecordingObserver()
    async with listening(observer) as server, dialling() as dialer:
        earlier = msgspec.structs.replace(server.address, life=new_life())
        with pytest.raises(ChannelUnavailable, match="another life"):
            await dialer.channel(earlier)
        assert observer.refused == 1
        await dialer.channel(server.address)
        assert observer.connected == [False]


async def test_an_earlier_life_is_told_only_to_who_has_the_key() -> None:
    async with listening() as server:
        knowing = await Stranger.at(server.address)
        knowing.say(KEY.hello(knowing.challenge, new_life(), "replica-1", new_life(), new_nonce()))
        assert isinstance(await knowing.receive(), Refused)
        guessing = await Stranger.at(server.address)
        guessing.say(OTHER_KEY.hello(guessing.challenge, new_life(), "replica-1", new_life(), new_nonce()))
        assert await guessing.hung_up()


@pytest.mark.parametrize(
    "data",
    [
        (HANDSHAKE_MAX_BYTES + 1).to_bytes(HEADER_BYTES, "little"),
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00\x00\x00\xc1",
        b"\x02\x00\x00\x00\x91\x63",
    ],
)
async def test_bytes_that_are_no_handshake_are_hung_up_on(data: bytes) -> None:
    observer = RecordingObserver()
    async with listening(observer) as server:
        stranger = await Stranger.at(server.address)
        stranger.write(data)
        assert await stranger.hung_up()
        assert observer.refused == 1


async def test_whoever_says_nothing_is_hung_up_on_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.relay.channel.connection.HANDSHAKE_TIMEOUT_S", 0.05)
    async with listening() as server:
        stranger = await Stranger.at(server.address)
        assert await stranger.hung_up()


async def test_many_silent_connections_do_not_keep_a_replica_out() -> None:
    async with listening() as server, dialling() as dialer:
        silent = [await Stranger.at(server.address) for _ in range(gateway_end._MAX_STRANGERS + 5)]
        await dialer.channel(server.address)
        assert await silent[0].hung_up()
        for stranger in silent:
            stranger.close()


async def test_a_gateway_that_does_not_listen_is_unavailable_and_tried_again_later() -> None:
    async with dialling() as dialer:
        async with listening() as server:
            address = server.address
        with pytest.raises(ChannelUnavailable, match="can't be reached"):
            await dialer.channel(address)
        await asyncio.sleep(0)
        assert dialer.open_channels == 0


async def test_a_gateway_that_accepts_and_says_nothing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.relay.channel.connection.HANDSHAKE_TIMEOUT_S", 0.05)
    hold = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, dialling() as dialer:
        address = GatewayAddress("127.0.0.1", server.sockets[0].getsockname()[1], new_life())
        with pytest.raises(ChannelUnavailable, match="no handshake"):
            await dialer.channel(address)
        hold.set()


async def test_proofs_and_keys_stay_out_of_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening() as server, dialling(key=OTHER_KEY) as dialer:
        with pytest.raises(ChannelUnavailable):
            await dialer.channel(server.address)
        stranger = await Stranger.at(server.address)
        hello: Hello = OTHER_KEY.hello(stranger.challenge, server.address.life, "replica-1", new_life(), new_nonce())
        stranger.say(hello)
        assert await stranger.hung_up()
        await eventually(lambda: "refused" in caplog.text)
        for secret in (hello.proof, KEY._keys[0], OTHER_KEY._keys[0]):
            assert secret.hex() not in caplog.text
            assert repr(secret) not in caplog.text


async def test_gateways_of_one_node_take_the_first_free_ports_of_a_range() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        servers = [ChannelServer(KEY, MAX_MESSAGE_BYTES, PEER_TIMEOUT_S, RecordingObserver()) for _ in range(2)]
        try:
            for server in servers:
                await server.start("127.0.0.1", taken)
            ports = [server.address.port for server in servers]
            assert len(set(ports)) == 2
            assert all(taken < port < taken + PORTS for port in ports)
        finally:
            for server in servers:
                await server.close()


async def test_a_range_without_a_free_port_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_end, "PORTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        server = ChannelServer(KEY, MAX_MESSAGE_BYTES, PEER_TIMEOUT_S, RecordingObserver())
        with pytest.raises(OSError, match="is free"):
            await server.start("127.0.0.1", holder.getsockname()[1])
