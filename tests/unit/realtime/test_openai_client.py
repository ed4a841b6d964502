"""OpenAI's own client, GA and beta, against the edge on a real socket."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest
from openai import AsyncOpenAI

from tests.unit.realtime.fake_cluster import Cluster, call, say, silence, spoken_word

TOOL: Any = {
    "type": "function",
    "name": "order",
    "description": "Order fruit.",
    "parameters": {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]},
}


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[AsyncOpenAI]:
    opened = AsyncOpenAI(
        base_url=cluster.url,
        websocket_base_url=cluster.socket_url,
        api_key="sk-acme",
        max_retries=0,
        timeout=10,
        _strict_response_validation=True,
    )
    async with opened:
        yield opened


async def until(connection: Any, kind: str) -> tuple[Any, list[Any]]:
    """The next event of this kind, and all up to it. Every event must have become the class that is meant for it."""
    seen = []
    async for event in connection:
        seen.append(event)
        assert event.type != "error", event
        # The client makes an unknown type an event of its first class.
        assert event.type in get_args(type(event).model_fields["type"].annotation)
        if event.type == kind:
            return event, seen
    raise AssertionError(f"the connection ended before {kind}")


def audio(words: bytes) -> str:
    return base64.b64encode(words).decode()


def script(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = messages[-1]
    if last["role"] == "tool":
        return say("Your strawberries are on their way.")
    if "strawberries" in (last["content"] or ""):
        return call("order", '{"count": 400}')
    return say("Hello! What would you like to order today? We have apples, pears and strawberries. " * 10)


async def converse(connection: Any, cluster: Cluster, *, sound: str) -> None:
    """A spoken conversation with an interruption and a function call. ``sound``: what audio deltas are called."""
    cluster.inference.script = script
    cluster.synthesizer.pause_s = 0.01
    await connection.input_audio_buffer.append(audio=audio(spoken_word(4) + silence(400)))
    await until(connection, sound)
    await connection.input_audio_buffer.append(audio=audio(spoken_word(2) + spoken_word(1) + silence(400)))
    done, seen = await until(connection, "response.done")
    assert done.response.status == "cancelled"
    assert done.response.status_details.reason == "turn_detected"
    item = done.response.output[0]
    await connection.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=100)
    done, seen = await until(connection, "response.done")
    called = next(event for event in seen if event.type == "response.function_call_arguments.done")
    assert called.arguments == '{"count": 400}'
    assert done.response.output[0].name == "order"
    await connection.conversation.item.create(item={"type": "function_call_output", "call_id": called.call_id, "output": "{}"})
    await connection.response.create()
    done, seen = await until(connection, "response.done")
    assert done.response.output[0].content[0].transcript == "Your strawberries are on their way."
    assert b"".join(base64.b64decode(event.delta) for event in seen if event.type == sound)
    assert done.response.usage.input_token_details.cached_tokens == 1024


async def test_ga_client_holds_a_spoken_conversation(client: AsyncOpenAI, cluster: Cluster) -> None:
    async with client.realtime.connect(model="demo") as connection:
        created, _ = await until(connection, "session.created")
        assert created.session.model == "demo"
        await connection.session.update(
            session={
                "type": "realtime",
                "instructions": "Take orders.",
                "tools": [TOOL],
                "tracing": "auto",
                "audio": {
                    "input": {
                        "transcription": {"model": "gpt-4o-mini-transcribe"},
                        "turn_detection": {"type": "semantic_vad", "interrupt_response": True},
                    },
                    "output": {"voice": "marin"},
                },
            }
        )
        updated, _ = await until(connection, "session.updated")
        assert updated.session.audio.output.voice == "marin"
        await converse(connection, cluster, sound="response.output_audio.delta")


async def test_beta_client_holds_a_spoken_conversation(client: AsyncOpenAI, cluster: Cluster) -> None:
    async with client.beta.realtime.connect(model="demo") as connection:
        created, _ = await until(connection, "session.created")
        assert created.session.modalities == ["text", "audio"]
        assert created.session.input_audio_format == "pcm16"
        await connection.session.update(
            session={
                "modalities": ["text", "audio"],
                "instructions": "Take orders.",
                "voice": "alloy",
                "tools": [TOOL],
                "temperature": 0.8,
                "input_audio_transcription": {"model": "whisper-1"},
                "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200},
            }
        )
        updated, _ = await until(connection, "session.updated")
        assert updated.session.temperature == 0.8
        assert updated.session.turn_detection.silence_duration_ms == 200
        await converse(connection, cluster, sound="response.audio.delta")


async def test_beta_events_have_their_own_names_and_parts(client: AsyncOpenAI, cluster: Cluster) -> None:
    async with client.beta.realtime.connect(model="demo") as connection:
        item: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        await connection.conversation.item.create(item=item)
        await connection.response.create(response={"modalities": ["text"]})
        done, seen = await until(connection, "response.done")
        kinds = [event.type for event in seen]
        assert "conversation.item.created" in kinds
        assert "response.text.delta" in kinds
        assert not [
            kind for kind in kinds if "output_text" in kind or kind in ("conversation.item.added", "conversation.item.done")
        ]
        assert done.response.output[0].content[0].type == "text"
        assert done.response.modalities == ["text"]


async def test_beta_error_names_the_beta_field(client: AsyncOpenAI) -> None:
    async with client.beta.realtime.connect(model="demo") as connection:
        await connection.send({"type": "session.update", "event_id": "e1", "session": {"voice": "nobody"}})
        async for event in connection:
            if event.type == "error":
                assert event.error.param == "session.voice"
                assert event.error.event_id == "e1"
                return


async def test_ga_client_makes_and_uses_a_client_secret(client: AsyncOpenAI, cluster: Cluster) -> None:
    made = await client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 120},
        session={"type": "realtime", "model": "demo", "instructions": "Be brief."},
    )
    assert getattr(made.session, "instructions", None) == "Be brief."
    async with (
        AsyncOpenAI(base_url=cluster.url, websocket_base_url=cluster.socket_url, api_key=made.value) as browser,
        browser.realtime.connect(model="demo") as connection,
    ):
        created, _ = await until(connection, "session.created")
        assert created.session.instructions == "Be brief."


async def test_beta_client_makes_sessions_by_http(client: AsyncOpenAI) -> None:
    model: Any = "demo"  # the client's types know OpenAI's names alone
    session = await client.beta.realtime.sessions.create(model=model, modalities=["text"])
    assert session.client_secret.value.startswith("ek_")
    transcription = await client.beta.realtime.transcription_sessions.create(input_audio_format="pcm16")
    assert transcription.client_secret.expires_at > 0


async def test_ga_client_transcribes(client: AsyncOpenAI) -> None:
    async with client.realtime.connect(model="demo", extra_query={"intent": "transcription"}) as connection:
        update: Any = {
            "type": "transcription",
            "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe", "language": "en"}}},
        }
        await connection.session.update(session=update)
        await connection.input_audio_buffer.append(audio=audio(spoken_word(2) + spoken_word(1) + silence(400)))
        done, _ = await until(connection, "conversation.item.input_audio_transcription.completed")
        assert done.transcript == "four hundred strawberries"
