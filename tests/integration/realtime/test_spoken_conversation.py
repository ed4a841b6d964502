"""A spoken conversation with the embedded speech stack: a flite voice calls, Silero and PocketSphinx listen, flite answers."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from openai import AsyncOpenAI

from cluster.speech.flite.synthesizer import FliteSynthesizer
from tests.integration.realtime.conftest import SpeakingCluster
from tests.unit.realtime.fake_cluster import call, say
from tests.voice_caller import Caller, spoken

pytestmark = pytest.mark.integration

TOOL: Any = {
    "type": "function",
    "name": "order",
    "parameters": {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]},
}


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

        async def send(pcm: bytes) -> None:
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

        caller = Caller(send)
        speaking = asyncio.create_task(caller.microphone())
        try:
            caller.say(await spoken(voice, "Good morning."))
            first = await until(connection, "response.output_audio.delta")
            await asyncio.sleep(1.0)
            caller.say(await spoken(voice, "I would like to order four hundred strawberries please."))
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
