"""A spoken conversation with the embedded speech stack: a flite voice calls, Silero and PocketSphinx listen, flite answers."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from openai import AsyncOpenAI

from cluster.realtime.driver.local_ears import speech_stack
from cluster.realtime.driver.speech import SpeechStack
from cluster.speech.flite.synthesizer import FliteSynthesizer
from cluster.speech.silero.model import SileroModel, SileroVad
from cluster.speech.sphinx.recognizer import SphinxRecognizer
from tests.unit.realtime.fake_cluster import Cluster, call, say

pytestmark = pytest.mark.integration

_PIECE_MS = 20
TOOL: Any = {
    "type": "function",
    "name": "order",
    "parameters": {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]},
}


@dataclass
class SpeakingCluster(Cluster):
    stack: SpeechStack | None = None

    def speech(self) -> SpeechStack:
        assert self.stack is not None
        return self.stack


@dataclass
class Caller:
    """Speaks in real time, as a microphone does, and never stops sending."""

    connection: Any
    voice: FliteSynthesizer
    said: asyncio.Queue[bytes]

    async def say(self, text: str) -> None:
        pcm = b"".join([chunk.pcm async for chunk in self.voice.speak(text, voice="echo")])
        self.said.put_nowait(pcm)

    async def microphone(self) -> None:
        size, due = 48 * _PIECE_MS, time.monotonic()
        waiting = b""
        while True:
            while not self.said.empty():
                waiting += self.said.get_nowait()
            piece, waiting = waiting[:size].ljust(size, b"\0"), waiting[size:]
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
            due += _PIECE_MS / 1000
            await asyncio.sleep(max(0.0, due - time.monotonic()))


@pytest.fixture
async def cluster() -> AsyncIterator[SpeakingCluster]:
    recognizer, synthesizer = SphinxRecognizer(workers=1), FliteSynthesizer(workers=1)
    async with AsyncExitStack() as stack:
        for part in (recognizer, synthesizer):
            await part.start()
            stack.push_async_callback(part.stop)
        model = SileroModel()
        served = SpeakingCluster(stack=speech_stack(recognizer, synthesizer, lambda: SileroVad(model)))
        await stack.enter_async_context(served.served())
        yield served


def script(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = messages[-1]
    if last["role"] == "tool":
        return say("Your order is on its way.")
    if "strawberries" in (last["content"] or "") or "strawberry" in (last["content"] or ""):
        return call("order", '{"item": "strawberries"}')
    return say("Good morning. " + "We have apples and pears and plums and cherries today. " * 6)


async def until(connection: Any, kind: str, matching: Any = lambda event: True) -> Any:
    async with asyncio.timeout(60):
        async for event in connection:
            assert event.type != "error", event
            if event.type == kind and matching(event):
                return event
    raise AssertionError(kind)


async def test_flite_caller_orders_by_voice_interrupts_and_is_answered(cluster: SpeakingCluster) -> None:
    cluster.inference.script = script
    voice = cluster.speech().synthesizer
    assert isinstance(voice, FliteSynthesizer)
    async with (
        AsyncOpenAI(base_url=cluster.url, websocket_base_url=cluster.socket_url, api_key="sk-acme") as client,
        client.realtime.connect(model="demo") as connection,
    ):
        await connection.session.update(
            session={
                "type": "realtime",
                "tools": [TOOL],
                "audio": {"input": {"transcription": {"model": "whisper-1"}, "noise_reduction": {"type": "near_field"}}},
            }
        )
        caller = Caller(connection, voice, asyncio.Queue())
        speaking = asyncio.create_task(caller.microphone())
        try:
            await caller.say("Good morning.")
            first = await until(connection, "response.output_audio.delta")
            await asyncio.sleep(1.0)
            await caller.say("I would like to order four hundred strawberries please.")
            done = await until(connection, "response.done", lambda event: event.response.id == first.response_id)
            # It may have been made in full by then, and be playing still; its rest is not heard either way.
            assert done.response.status in ("completed", "cancelled")
            called = await until(connection, "response.function_call_arguments.done")
            assert called.name == "order"
            await until(connection, "response.done")
            await connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": called.call_id, "output": "ok"}
            )
            await connection.response.create()
            done = await until(connection, "response.done")
            assert done.response.output[0].content[0].transcript == "Your order is on its way."
        finally:
            speaking.cancel()
    heard = [message["content"] for message in cluster.inference.asked[-1][1] if message["role"] == "user"]
    assert "strawberr" in heard[-1]
    answered = [message["content"] for message in cluster.inference.asked[-1][1] if message["role"] == "assistant"]
    assert answered[0].startswith("Good morning.")
    assert len(answered[0]) < 200, "only what was heard within a second or so is remembered"
