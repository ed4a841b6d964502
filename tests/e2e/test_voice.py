"""Spoken conversations with the whole cluster: the demo model, the speech deployment, OpenAI's own clients.

A flite voice calls. It asks for a story, interrupts it, orders four hundred strawberries, and hears that they were ordered. The
demo model was never trained on that order.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websockets
from openai import AsyncOpenAI

from cluster.speech.flite.synthesizer import FliteSynthesizer
from tests.e2e.conftest import REPOSITORY, RunningCluster
from tests.openai_schema import SchemaOracle
from tests.unit.realtime.scene import schema_problems
from tests.unit.realtime.sockets import connected
from tests.voice_caller import Caller, spoken

pytestmark = pytest.mark.e2e

STORY = "Tell me a story."
ORDER = "I would like to order four hundred strawberries, please."
INSTRUCTIONS = "You are a shop assistant."
TOOL: Any = {
    "type": "function",
    "name": "place_order",
    "description": "Place an order",
    "parameters": {
        "type": "object",
        "properties": {"item": {"type": "string"}, "quantity": {"type": "integer"}},
        "required": ["item", "quantity"],
    },
}
_WAIT_S = 90.0
_AGENTS_PYTHON = REPOSITORY / ".venv-openai-agents" / "bin" / "python"


@pytest.fixture(scope="module")
def words() -> dict[str, bytes]:
    """What the caller says, as PCM at 24 kHz."""

    async def all_spoken() -> dict[str, bytes]:
        voice = FliteSynthesizer(workers=1)
        await voice.start()
        try:
            return {text: await spoken(voice, text) for text in (STORY, ORDER)}
        finally:
            await voice.stop()

    return asyncio.run(all_spoken())


@dataclass
class Line:
    """A connection of an official client. Keeps all events; each must be one that the schema knows (GA only)."""

    connection: Any
    ga: bool
    events: list[Any] = field(default_factory=list)

    async def send_audio(self, pcm: bytes) -> None:
        await self.connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

    async def until(self, kind: str, matching: Callable[[Any], bool] = lambda event: True) -> Any:
        async with asyncio.timeout(_WAIT_S):
            while True:
                data = await self.connection.recv_bytes()
                if self.ga:
                    raw = json.loads(data)
                    assert not schema_problems(SchemaOracle.load(), raw), raw
                event = self.connection.parse_event(data)
                self.events.append(event)
                assert event.type != "error", event
                if event.type == kind and matching(event):
                    return event

    def heard(self) -> list[str]:
        kind = "conversation.item.input_audio_transcription.completed"
        return [event.transcript for event in self.events if event.type == kind]


def session_of(ga: bool) -> dict[str, Any]:
    if ga:
        listening = {"transcription": {"model": "gpt-4o-mini-transcribe"}, "turn_detection": {"type": "server_vad"}}
        return {"type": "realtime", "instructions": INSTRUCTIONS, "tools": [TOOL], "audio": {"input": listening}}
    return {
        "modalities": ["text", "audio"],
        "instructions": INSTRUCTIONS,
        "tools": [TOOL],
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {"type": "server_vad"},
    }


@asynccontextmanager
async def calling(line: Line) -> AsyncIterator[Caller]:
    caller = Caller(line.send_audio)
    speaking = asyncio.create_task(caller.microphone())
    try:
        yield caller
    finally:
        speaking.cancel()
        await asyncio.wait([speaking])


@pytest.mark.parametrize("ga", [True, False], ids=["ga", "beta"])
async def test_four_hundred_strawberries_are_ordered_by_voice(running: RunningCluster, words: dict[str, bytes], ga: bool) -> None:
    sound = "response.output_audio.delta" if ga else "response.audio.delta"
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            AsyncOpenAI(
                base_url=f"{running.http}/v1",
                websocket_base_url=f"{running.http.replace('http', 'ws')}/v1",
                api_key=running.api_key,
                max_retries=0,
            )
        )
        realtime = client.realtime if ga else client.beta.realtime
        # A name that OpenAI's examples use: the cluster's default model answers to it.
        connection = await stack.enter_async_context(realtime.connect(model="gpt-realtime"))
        line = Line(connection, ga)
        await connection.session.update(session=session_of(ga))
        await line.until("session.updated")
        caller = await stack.enter_async_context(calling(line))

        caller.say(words[STORY])
        first = await line.until(sound)
        await asyncio.sleep(1.0)
        caller.say(words[ORDER])
        await line.until("input_audio_buffer.speech_started")
        heard_ms = 1200
        await connection.conversation.item.truncate(item_id=first.item_id, content_index=0, audio_end_ms=heard_ms)
        await line.until("conversation.item.truncated")
        called = await line.until("response.function_call_arguments.done")
        assert json.loads(called.arguments) == {"item": "strawberries", "quantity": 400}, line.heard()
        done = await line.until("response.done", lambda event: event.response.id == called.response_id)
        assert done.response.output[0].name == "place_order"

        output = {"type": "function_call_output", "call_id": called.call_id, "output": '{"order_id": "A123"}'}
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        done = await line.until("response.done", lambda event: event.response.id != called.response_id)
    said = done.response.output[0].content[0].transcript
    assert "strawberries" in said
    assert "A123" in said
    assert done.response.usage.output_token_details.audio_tokens > 0
    assert "four hundred strawberr" in " ".join(line.heard())


async def test_agents_of_the_openai_agents_package_order_by_voice(
    running: RunningCluster, words: dict[str, bytes], tmp_path: Path
) -> None:
    """The package needs another openai client than the tests, so that it has an environment of its own."""
    assert _AGENTS_PYTHON.exists(), "run scripts/setup.sh --compat"
    for name, text in (("story", STORY), ("order", ORDER)):
        (tmp_path / f"{name}.pcm").write_bytes(words[text])
    socket = f"{running.http.replace('http', 'ws')}/v1/realtime?model=gpt-realtime"
    command = [str(_AGENTS_PYTHON), str(REPOSITORY / "tests/e2e/compat/openai_agents_voice.py"), socket, str(tmp_path)]
    finished = await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        timeout=3 * _WAIT_S,
        check=False,
        env={"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": running.api_key, "OPENAI_AGENTS_DISABLE_TRACING": "1"},
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    report = json.loads(finished.stdout.splitlines()[-1])
    assert report["interrupted"]
    assert report["tool_calls"] == [{"item": "strawberries", "quantity": 400}]
    assert report["audio_bytes"] > 48_000
    assert "A123" in report["last_words"]


async def test_a_session_says_who_it_is_for_and_another_organization_finds_nothing_of_it(running: RunningCluster) -> None:
    url = f"{running.http.replace('http', 'ws')}/v1"
    async with connected(url, key=running.api_key, query="?model=gpt-oss-demo") as ours:
        await ours.until("session.created")
        item = {"id": "item_ours", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
        await ours.send("conversation.item.create", item=item)
        await ours.until("conversation.item.done")
        async with connected(url, key=running.beta_key, query="?model=gpt-oss-demo") as theirs:
            await theirs.until("session.created")
            await theirs.send("conversation.item.retrieve", item_id="item_ours", event_id="evt_1")
            refused = await theirs.until("error")
            assert refused["error"]["event_id"] == "evt_1"
        await ours.send("conversation.item.retrieve", item_id="item_ours")
        await ours.until("conversation.item.retrieved")


@pytest.mark.parametrize(
    ("key", "query", "status"),
    [
        ("sk-nobody", "?model=gpt-oss-demo", 401),
        (None, "?model=gpt-oss-demo", 401),
        ("alpha", "?model=bench-qwen3", 404),
        ("admin", "?model=gpt-oss-demo", 403),
    ],
    ids=["unknown key", "no key", "another organization's model", "admin key"],
)
async def test_who_may_not_have_a_session_is_told_so(running: RunningCluster, key: str | None, query: str, status: int) -> None:
    known = {"alpha": running.api_key, "admin": running.admin_key}
    url = f"{running.http.replace('http', 'ws')}/v1"
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connected(url, key=known.get(key, key) if key else None, query=query):
            pass
    assert refused.value.response.status_code == status
