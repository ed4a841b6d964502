"""`ossature talk` against the realtime edges on real sockets, by audio files and by a microphone of the tests' own."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import time
import wave
from collections.abc import AsyncIterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result
from websockets.asyncio.server import ServerConnection, serve

from cluster.cli.client import ClusterClient
from cluster.cli.output import CommandError
from cluster.cli.talking import session as session_module
from cluster.cli.talking.devices import loudspeaker, microphone
from cluster.cli.talking.playback import Playback
from cluster.cli.talking.screen import Transcript
from cluster.cli.talking.session import TalkSession, settings
from cluster.cli.talking.talk import Talk
from cluster.cli.talking.wire import by_socket
from cluster.cli.target import Target
from cluster.config.settings.realtime import RealtimeSettings
from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_sounddevice import FakeSoundDevice
from tests.unit.realtime.calls import grpc_served
from tests.unit.realtime.fake_cluster import ACME, Cluster, say, silence, spoken_word

pytestmark = pytest.mark.slow

HELLO, STOP = 4, 3
WORD_MS = 100
"""Of the fake voice."""


def write_wav(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(pcm)
    return path


def seconds(path: Path) -> float:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        return float(file.getnframes() / 24_000)


class Talker:
    """Runs the command beside the cluster that it talks to, which lives on the test's event loop."""

    def __init__(self, run: Run, folder: Path, cluster: Cluster, grpc: str) -> None:
        self._run = run
        self.folder = folder
        self.cluster = cluster
        content = {
            "http": f"http://127.0.0.1:{cluster.port}",
            "grpc": grpc,
            "metrics": "",
            "api_key": "sk-acme",
            "admin_key": "sk-admin",
            "models": ["demo"],
        }
        (folder / ".run").mkdir(exist_ok=True)
        (folder / ".run" / "endpoints.json").write_text(json.dumps(content))

    async def __call__(self, *options: str, said: bytes | None = None, env: dict[str, str] | None = None) -> Result:
        spoken = silence(40) + spoken_word(HELLO) + silence(40) if said is None else said
        path = write_wav(self.folder / "in.wav", spoken)
        return await asyncio.to_thread(self._run, "talk", "--wav", str(path), *options, env=env)


@pytest.fixture
async def talk(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talker]:
    # Enough for ears that take 300 ms of silence for an end.
    monkeypatch.setattr(session_module, "_TAIL_PIECES", 25)
    async with Cluster().served() as cluster, grpc_served(cluster) as address:
        yield Talker(run, folder, cluster, address)


@pytest.mark.parametrize(
    "options",
    [(), ("--fast",), ("--grpc",), ("--turn-detection", "none"), ("--turn-detection", "semantic_vad"), ("--grpc", "--fast")],
    ids=" ".join,
)
async def test_file_is_said_and_the_answer_shown_and_written(talk: Talker, options: tuple[str, ...]) -> None:
    result = await talk("--out", "out.wav", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "you: hello\nmodel: You said: hello.\n"
    assert seconds(talk.folder / "out.wav") == pytest.approx(3 * WORD_MS / 1000)


async def test_json_tells_the_turns_and_how_long_the_answer_took(talk: Talker) -> None:
    result = await talk("--json", "--fast")
    told = json.loads(result.stdout)
    assert told["turns"] == [
        {"role": "user", "text": "hello", "interrupted": False},
        {"role": "assistant", "text": "You said: hello.", "interrupted": False},
    ]
    assert told["answer_s"] == pytest.approx(0.3)
    assert 0 < told["first_audio_s"][0] < 10
    assert told["out"] is None


async def test_options_reach_the_session(talk: Talker) -> None:
    await talk("--fast", "--voice", "rms", "--instructions", "Be brief.", "--model", "demo")
    assert talk.cluster.inference.asked[0][1][0] == {"role": "system", "content": "Be brief."}


async def test_second_turn_interrupts_the_answer_and_the_model_remembers_what_was_played(talk: Talker) -> None:
    talk.cluster.inference.script = lambda messages: say("word " * 60 if len(messages) < 4 else "Well then.")
    both = silence(40) + spoken_word(HELLO) + silence(1000) + spoken_word(STOP) + silence(40)
    result = await talk("--out", "out.wav", "--json", said=both)
    turns = json.loads(result.stdout)["turns"]
    assert [(turn["role"], turn["interrupted"]) for turn in turns] == [
        ("user", False),
        ("assistant", True),
        ("user", False),
        ("assistant", False),
    ]
    played_s = seconds(talk.folder / "out.wav")
    remembered = talk.cluster.inference.asked[-1][1][-2]["content"]
    assert turns[1]["text"].count("word") > remembered.count("word") > 2
    # The second answer is two words long; of the first, whole words are remembered.
    assert (played_s - 0.2) * 1000 // WORD_MS == pytest.approx(remembered.count("word"), abs=1)


async def test_recording_of_another_rate_and_with_two_channels_is_understood(talk: Talker) -> None:
    pcm = np.frombuffer(silence(40) + spoken_word(HELLO) + silence(40), "<i2")
    path = talk.folder / "other.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.repeat(np.repeat(pcm, 2), 2).tobytes())
    result = await asyncio.to_thread(talk._run, "talk", "--wav", str(path), "--fast")
    assert "hello" in result.stdout


@pytest.mark.parametrize(("said", "words"), [(silence(300), "no speech was heard"), (spoken_word(10), "no words were recognized")])
async def test_recording_without_speech_or_words_is_said_to_be_so(talk: Talker, said: bytes, words: str) -> None:
    result = await talk("--fast", said=silence(40) + said)
    assert result.exit_code == 1
    assert words in result.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"not audio", "no audio that can be read"), (b"", "no audio that can be read")],
)
async def test_bad_file_is_a_usage_error_and_writes_nothing(talk: Talker, content: bytes | None, words: str) -> None:
    path = talk.folder / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    result = await asyncio.to_thread(talk._run, "talk", "--wav", str(path), "--out", "out.wav")
    assert result.exit_code == 2
    assert words in result.stderr
    assert "bad.wav" in result.stderr
    assert not (talk.folder / "out.wav").exists()


async def test_empty_recording_and_a_folder_as_output_are_usage_errors(talk: Talker) -> None:
    assert (await talk(said=b"")).exit_code == 2
    result = await talk("--fast", "--out", str(talk.folder))
    assert result.exit_code == 2
    assert "can't be written" in result.stderr


@pytest.mark.parametrize("wire", [(), ("--grpc",)], ids=["socket", "grpc"])
async def test_refusals_have_their_exit_codes(talk: Talker, wire: tuple[str, ...]) -> None:
    assert (await talk(*wire, env={"OSSATURE_API_KEY": "sk-wrong"})).exit_code == 4
    assert (await talk(*wire, "--model", "nope")).exit_code == 5
    unknown = await talk(*wire, "--voice", "nobody")
    assert unknown.exit_code == 2
    assert "'slt', 'rms'" in unknown.stderr


async def test_full_gateway_says_so_by_either_wire(talk: Talker) -> None:
    settings = RealtimeSettings(max_sessions_per_organization=1)
    async with Cluster(settings=settings).served() as cluster:
        sessions = cluster.sessions()
        async with grpc_served(cluster, sessions) as address:
            full = Talker(talk._run, talk.folder, cluster, address)
            with sessions.place(ACME):
                result = await full("--grpc")
    assert result.exit_code == 1
    assert "RESOURCE_EXHAUSTED" in result.stderr


async def test_cluster_without_speech_says_what_it_lacks(run: Run, folder: Path) -> None:
    async with Cluster(speaks=False).served() as cluster, grpc_served(cluster) as address:
        for wire in ((), ("--grpc",)):
            result = await Talker(run, folder, cluster, address)("--fast", *wire)
            assert result.exit_code == 1
            assert "this cluster has no speech" in result.stderr


async def test_grpc_needs_an_address(talk: Talker) -> None:
    result = await talk("--grpc", "--base-url", f"http://127.0.0.1:{talk.cluster.port}", env={"OSSATURE_API_KEY": "sk-acme"})
    assert result.exit_code == 2
    assert "no gRPC address" in result.stderr


@pytest.mark.parametrize("option", ["--out=x.wav", "--fast", "--json"])
def test_options_of_files_need_a_file(run: Run, option: str) -> None:
    result = run("talk", option)
    assert result.exit_code == 2
    assert "--wav" in result.stderr


async def test_microphone_and_loudspeaker_hold_a_conversation_until_the_session_ends(
    talk: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", devices)
    async with Cluster(settings=RealtimeSettings(max_session_s=2.5)).served() as cluster, grpc_served(cluster) as address:
        talker = Talker(talk._run, talk.folder, cluster, address)
        running = asyncio.create_task(asyncio.to_thread(talker._run, "talk"))
        said = silence(40) + spoken_word(HELLO) + silence(400)
        played, at = bytearray(), 0
        while not running.done():
            if len(devices.streams) == 2:
                devices.say(said[at : at + 960] or silence(20))
                at += 960
                played += devices.play(960)
            await asyncio.sleep(0.02)
        result = await running
    assert "you: hello\nmodel: You said: hello." in result.stdout
    assert len(bytes(played).strip(b"\0")) / 48_000 == pytest.approx(0.3, abs=0.02)
    assert result.exit_code == 1
    assert "the session is over" in result.stderr
    assert not any(stream.running for stream in devices.streams)


async def test_enter_begins_and_ends_turns_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", devices)
    read, write = os.pipe()
    shown = io.StringIO()
    with os.fdopen(read) as keyboard, os.fdopen(write, "w", buffering=1) as fingers, redirect_stdout(shown):
        monkeypatch.setattr(sys, "stdin", keyboard)
        async with Cluster().served() as cluster:
            target = Target(f"http://127.0.0.1:{cluster.port}", "sk-acme", None, "a test")
            talk = Talk(Playback(), Transcript(), time.monotonic)
            with ClusterClient(target, admin=False) as client:
                async with by_socket(target, client, "demo") as wire:
                    session = TalkSession(wire, talk, by_hand=True)
                    await session.open(settings(None, None, "none"))
                    holding = asyncio.create_task(session.hold(microphone, lambda: loudspeaker(talk.playback)))

                    async def say(pcm: bytes) -> None:
                        for start in range(0, len(pcm), 960):
                            devices.say(pcm[start : start + 960])
                            devices.play(960)
                            await asyncio.sleep(0.002)

                    while len(devices.streams) < 2:  # noqa: ASYNC110 - of others' state
                        await asyncio.sleep(0.005)
                    await say(spoken_word(STOP))  # before Enter: for nobody
                    fingers.write("\n")
                    await say(silence(200))
                    await say(spoken_word(HELLO))
                    fingers.write("\n")
                    async with asyncio.timeout(30):
                        while not talk.settled or talk.answers == 0:
                            await say(silence(20))
                        fingers.close()
                        while not holding.done():
                            await say(silence(20))
                    await holding
    assert shown.getvalue() == "you: hello\nmodel: You said: hello.\n"
    assert not any(stream.running for stream in devices.streams)


async def test_machine_without_sound_devices_is_told_of_files(talk: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(missing=frozenset({"input"})))
    result = await asyncio.to_thread(talk._run, "talk")
    assert result.exit_code == 1
    assert "no microphone" in result.stderr
    assert "--wav in.wav --out out.wav" in result.stderr


async def test_session_lost_in_the_middle_is_said_to_be_so(talk: Talker) -> None:
    def broken(messages: list[dict[str, Any]]) -> Any:
        raise ZeroDivisionError

    talk.cluster.inference.script = broken
    result = await talk("--fast")
    assert "the answer failed" in result.stderr


@pytest.mark.parametrize("frame", ["no JSON", "[]", "{}", '{"type": []}', '{"type": "response.output_audio.delta", "delta": "?"}'])
async def test_server_that_speaks_another_language_is_told_from_a_cluster(frame: str) -> None:
    async def other(socket: ServerConnection) -> None:
        await socket.send(frame)
        await socket.wait_closed()

    async with serve(other, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        target = Target(f"http://127.0.0.1:{port}", "sk-acme", None, "a test")
        with ClusterClient(target, admin=False) as client:
            async with by_socket(target, client, "demo") as wire:
                with pytest.raises(CommandError, match="no event"):
                    await wire.receive()
