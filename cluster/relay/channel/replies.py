"""Answers handle calls over channels: what an engine replica's ``open`` does.

The handle call lasts as long as its request, so that Ray Serve counts, limits and drains it like any other; only the tokens take
the channel. The work itself runs in a task of its own, which ends with whichever goes first: the request, the call or the channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from cluster.relay.channel.messages import Accepted, Open
from cluster.relay.channel.replica_end import ChannelUnavailable, Dialer
from cluster.relay.channel.reply import Generate, Reply


class Replies:
    """One object in a replica. ``max_request_bytes``: of a request's body."""

    def __init__(self, dialer: Dialer, max_request_bytes: int) -> None:
        self._dialer = dialer
        self._max_request_bytes = max_request_bytes
        self._decoder = msgspec.msgpack.Decoder(Open)
        identity = dialer.identity
        self._accepted = msgspec.msgpack.encode(Accepted(identity.replica_id, identity.life))

    async def answer(self, packed: bytes, generate: Generate) -> AsyncGenerator[bytes, None]:
        """Answer an ``Open`` with what ``generate`` yields. Gives one item, ``Accepted``, and then lasts until the end.

        Raises ``ChannelUnavailable`` when the gateway can't be reached or goes away, and whatever ``generate`` raises.
        """
        call = self._decoder.decode(packed)
        if call.body_bytes > self._max_request_bytes:
            raise ValueError(f"a request of {call.body_bytes} bytes; at most {self._max_request_bytes} are allowed")
        channel = await self._dialer.channel(call.gateway)
        work: asyncio.Task[None] | None = None

        def abort() -> None:
            if work is not None:
                work.cancel()

        outbox = channel.open(call.stream, call.window_bytes, call.body_bytes, abort)
        reply = Reply(channel, outbox, call.request, call.body_bytes)
        try:
            work = asyncio.create_task(reply.run(generate))
            work.add_done_callback(_retrieve)
            yield self._accepted
            await asyncio.wait({work})
            if not work.cancelled():
                work.result()
            elif channel.over:
                raise ChannelUnavailable("the gateway that asked is gone")
        finally:
            reply.close()
            if work is not None and not work.done():
                work.cancel()
                await asyncio.wait({work})

    async def close(self) -> None:
        """Close every channel."""
        await self._dialer.close()


def _retrieve(work: asyncio.Task[None]) -> None:
    """Whoever is there to be told of a failure is told by ``answer``; asyncio need not complain of it as well."""
    if not work.cancelled():
        work.exception()
