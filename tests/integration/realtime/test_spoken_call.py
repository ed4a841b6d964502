"""Spoken conversations over gRPC and from the command line, with the embedded speech stack: flite calls, Silero and PocketSphinx
listen, flite answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from cluster.speech.contract import Synthesizer
from tests.integration.realtime.conftest import SpeakingCluster
from tests.integration.realtime.test_spoken_conversation import TOOL, script
from tests.unit.realtime.calls import Call, grpc_served, started
from tests.unit.realtime.sockets import Socket, connected
from tests.voice_caller import Caller, spoken

pytestmark = pytest.mark.integration

_ORDER = "I would like to order four hundred strawberries please."


@asynccontextmanager
async def microphone(client: Call | Socket) -> AsyncIterator[Caller]:
    """A caller whose microphone is on for as long as the block lasts."""
    caller = Caller(client.audio)
    sending = asyncio.create_task(caller.microphone())
    try:
        yield caller
    finally:
        sending.cancel()
        await asyncio.wait([sending])


def voice(cluster: SpeakingCluster) -> Synthesizer:
    synthesizer = cluster.speech().synthesizer
    assert synthesizer is not None
    return synthesizer


async def order(cluster: SpeakingCluster, client: Call | Socket) -> dict[str, Any]:
    """Greet, interrupt the answer with an order, give its function call an output, and hear that it is done: the last response."""
    greeting, wish = [await spoken(voice(cluster), text) for text in ("Good morning.", _ORDER)]
    hearing = {"transcription": {"model": "whisper-1"}, "noise_reduction": {"type": "near_field"}}
    await client.send("session.update", session={"type": "realtime", "tools": [TOOL], "audio": {"input": hearing}})
    async with microphone(client) as caller:
        caller.say(greeting)
        first = await client.until("response.output_audio.delta")
        await asyncio.sleep(1.0)
        caller.say(wish)
        await client.until("input_audio_buffer.speech_started")
        await client.send("conversation.item.truncate", item_id=first["item_id"], content_index=0, audio_end_ms=1000)
        await client.until("conversation.item.truncated")
        called = await client.until("response.function_call_arguments.done")
        assert called["name"] == "order"
        await client.until("response.done")
        output = {"type": "function_call_output", "call_id": called["call_id"], "output": "ok"}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create", response={})
        done = await client.until("response.done")
    response: dict[str, Any] = done["response"]
    return response


def kinds(client: Call | Socket) -> list[str]:
    """Events in order. How many deltas a text or a sound comes in, and what was said by the time of the interruption, varies."""
    from_order = client.kinds()[client.kinds().index("conversation.item.truncated") :]
    return [kind for kind, _ in groupby(from_order) if not kind.endswith(".delta")]


async def test_order_by_voice_over_grpc_is_the_one_over_a_websocket(cluster: SpeakingCluster) -> None:
    cluster.inference.script = script
    async with grpc_served(cluster) as address, started(address) as call:
        over_grpc = await order(cluster, call)
        heard = [message["content"] for message in cluster.inference.asked[-1][1] if message["role"] == "user"]
        answered = [message["content"] for message in cluster.inference.asked[-1][1] if message["role"] == "assistant"]
    assert over_grpc["output"][0]["content"][0]["transcript"] == "Your order is on its way."
    assert "strawberr" in heard[-1]
    assert answered[0].startswith("Good morning.")
    assert len(answered[0]) < 60, "only what was heard within a second is remembered"
    async with connected(cluster.socket_url) as socket:
        over_socket = await order(cluster, socket)
    assert over_socket["output"][0]["content"][0]["transcript"] == "Your order is on its way."
    assert kinds(call) == kinds(socket)


def write_wav(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(pcm)
    return path


def seconds(path: Path) -> float:
    with wave.open(str(path)) as file:
        return float(file.getnframes() / file.getframerate())


async def start_talk(cluster: SpeakingCluster, *options: str) -> asyncio.subprocess.Process:
    address = f"http://127.0.0.1:{cluster.port}"
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cluster.cli", "talk", "--base-url", address, *options),
        env={**os.environ, "OSSATURE_API_KEY": "sk-acme"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_talk_says_a_file_and_writes_an_answer_that_can_be_understood(cluster: SpeakingCluster, tmp_path: Path) -> None:
    said = write_wav(tmp_path / "in.wav", await spoken(voice(cluster), "Good morning."))
    cluster.inference.script = lambda messages: [{"content": "We have apples and pears today."}]
    talking = await start_talk(cluster, "--wav", str(said), "--out", str(tmp_path / "out.wav"), "--json")
    told, problems = await talking.communicate()
    assert talking.returncode == 0, problems
    turns = [(turn["role"], turn["text"]) for turn in json.loads(told)["turns"]]
    assert turns == [("user", "good morning"), ("assistant", "We have apples and pears today.")]

    with wave.open(str(tmp_path / "out.wav")) as file:
        answer = file.readframes(file.getnframes())
    recognizer = cluster.speech().recognizer
    assert recognizer is not None
    recognition = recognizer.open(live=False)
    await recognition.feed(answer)
    words = (await recognition.finish()).text.split()
    await recognition.close()
    assert {"apples", "today"} & set(words), words


async def test_talk_ends_on_ctrl_c_with_a_file_that_can_be_played(cluster: SpeakingCluster, tmp_path: Path) -> None:
    said = write_wav(tmp_path / "in.wav", await spoken(voice(cluster), "Good morning."))
    cluster.inference.script = lambda messages: [{"content": "We have apples and pears and plums and cherries. " * 20}]
    talking = await start_talk(cluster, "--wav", str(said), "--out", str(tmp_path / "out.wav"))
    assert talking.stdout is not None
    async with asyncio.timeout(60):
        while b"cherries" not in await talking.stdout.readuntil(b"cherries"):
            pass
    await asyncio.sleep(1.0)
    talking.send_signal(signal.SIGINT)
    _, problems = await talking.communicate()
    assert talking.returncode == 130, problems
    assert b"Traceback" not in problems
    assert 0.3 < seconds(tmp_path / "out.wav") < 20
