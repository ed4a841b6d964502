"""A spoken answer's end, whoever is in a hurry about it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any, cast

from cluster.identity.principal import Principal
from cluster.inference.service import Call
from cluster.spoken.chat.spoken_stream import SpokenStream
from tests.unit.fake_inference import FakeStream, chat_chunk


async def test_a_close_that_is_cancelled_itself_gives_everything_back() -> None:
    """As when the connection breaks just while a client that took nothing is being given up."""
    inner, held, given_back = FakeStream([[chat_chunk("Hello.")]], hangs=True), ExitStack(), asyncio.Event()
    held.callback(given_back.set)
    # Without a voice nothing is asked of speech.
    speech = cast(Any, None)
    stream = SpokenStream(inner, None, 0, speech, Principal("org_a", "proj_a", "key_a"), Call("http", "req_1"), held)
    assert await anext(aiter(stream)) == [chat_chunk("Hello.")]
    closing = asyncio.create_task(stream.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert given_back.is_set()
    assert inner.closed.is_set()
