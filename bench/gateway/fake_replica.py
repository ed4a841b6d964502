"""An engine replica's end of the relay's channel in a process of its own, without Ray Serve.

    python -m bench.gateway.fake_replica --port PORT

Calls come over the channel. What a Ray Serve handle would carry, the first one, comes over a socket of its own: length-prefixed
pickles ``(number, packed call)``, ``(number, None)`` to cancel; answers go back the same way: ``(number, item)``, then
``(number, None)``.
"""

from __future__ import annotations

import argparse
import asyncio
import pickle
from collections.abc import AsyncGenerator
from contextlib import aclosing

import uvloop

from bench.fakes.engine import FakeEngine
from bench.fakes.worker import MODEL
from bench.gateway.fake_handle import CHANNEL_KEY, REPLICA_ID, read_message, write_message
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RelaySettings
from cluster.engine.deployment import EngineReplica
from cluster.relay.channel.calls import Admission, Calls
from cluster.relay.channel.replica_end import Dialer
from cluster.relay.channel.replies import Replies
from cluster.relay.channel.reply import Reply
from cluster.routing.ticket import ArrivedTicket

_CONNECT_S = 60.0


class FakeGate:
    """Lets everybody in. Implements :class:`~cluster.relay.channel.calls.Gate`."""

    def __init__(self, replica: EngineReplica) -> None:
        self._replica = replica
        self._ongoing = 0

    async def enter(self, reply: Reply, ticket: ArrivedTicket) -> AsyncGenerator[Admission, None]:
        self._ongoing += 1
        try:
            yield Admission(accepted=True, ongoing=self._ongoing)
            async with aclosing(self._replica.reply(reply, ticket)) as nothing:
                async for _ in nothing:
                    pass
        finally:
            self._ongoing -= 1


async def run(port: int) -> None:
    settings = RelaySettings()
    dialer = Dialer(REPLICA_ID, CHANNEL_KEY, settings.max_request_bytes, settings.peer_timeout_s)
    replica = EngineReplica(
        ModelSettings(id=MODEL, source=MODEL),
        settings,
        engine=FakeEngine(MODEL),
        replies=Replies(dialer, settings.max_request_bytes),
    )
    dialer.calls = Calls(FakeGate(replica), settings.max_request_bytes)
    await replica.start()
    reader, writer = await _connected(port)
    calls: dict[int, asyncio.Task[None]] = {}

    async def answer(number: int, packed: bytes) -> None:
        try:
            async for item in replica.open(packed):
                write_message(writer, pickle.dumps((number, item)))
        finally:
            write_message(writer, pickle.dumps((number, None)))
            del calls[number]

    try:
        while True:
            number, packed = pickle.loads(await read_message(reader))
            if packed is not None:
                calls[number] = asyncio.create_task(answer(number, packed))
            elif number in calls:
                calls[number].cancel()
    except asyncio.IncompleteReadError:
        return  # the gateway has ended
    finally:
        await replica.stop()


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The gateway may still be starting."""
    async with asyncio.timeout(_CONNECT_S):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.fake_replica")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(run(parser.parse_args().port))


if __name__ == "__main__":
    main()
