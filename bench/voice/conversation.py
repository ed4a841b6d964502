"""From the end of a user's words to the first sound of the answer, through a whole cluster: ``python -m bench.voice.conversation``.

A flite voice greets the demo model, turn after turn, each in a session of its own; then it interrupts long answers. Times are those
of a client on the same machine, on the clock: measure where nothing else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import record
from bench.programs import Unavailable
from bench.voice.cluster import Served, served
from bench.voice.session import Session, SessionFailed, opened
from cluster.speech.audio.pcm import as_int16
from cluster.speech.contract import SAMPLE_RATE_HZ
from cluster.speech.flite.synthesizer import FliteSynthesizer

SILENCE_MS = 500
GREETING = "Hello."
LONG_QUESTION = "Tell me a story."
_INSTRUCTIONS = "You are a helpful assistant."
_QUIET = 300
_HEARD_S = 0.25
#: Stages of a turn, each from the end of the one before, and the events that end them.
STAGES = (
    ("turn ended", "input_audio_buffer.speech_stopped"),
    ("words known", "conversation.item.input_audio_transcription.completed"),
    ("answer begun", "response.output_item.added"),
    ("first clause", "response.output_audio_transcript.delta"),
    ("first sound", "response.output_audio.delta"),
)


def session_settings() -> dict[str, Any]:
    listening = {
        "turn_detection": {"type": "server_vad", "silence_duration_ms": SILENCE_MS},
        "transcription": {"model": "whisper-1"},
    }
    return {"instructions": _INSTRUCTIONS, "audio": {"input": listening}}


async def words() -> dict[str, bytes]:
    """What is said, without the silence at its end, so that the end of the words is known."""
    voice = FliteSynthesizer(workers=1)
    await voice.start()
    try:
        said = {}
        for text in (GREETING, LONG_QUESTION):
            pcm = b"".join([chunk.pcm async for chunk in voice.speak(text, voice="echo")])
            loud = np.flatnonzero(np.abs(as_int16(pcm)) > _QUIET)
            said[text] = pcm[: 2 * (int(loud[-1]) + 1)]
        return said
    finally:
        await voice.stop()


@contextlib.asynccontextmanager
async def calling(cluster: Served) -> AsyncIterator[Session]:
    async with opened(cluster.url, cluster.key, cluster.model, session_settings()) as session:
        speaking = asyncio.create_task(session.microphone())
        try:
            yield session
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])


async def answered(cluster: Served, pcm: bytes) -> dict[str, float]:
    """One turn: milliseconds by stage, and ``beyond the silence``: from the words' end to the first sound, less the silence."""
    async with calling(cluster) as session:
        await asyncio.sleep(0.3)
        session.say(pcm)
        await session.until("response.output_audio.delta")
        at = {event.kind: event.at for event in reversed(session.events)}
        before = session.said_at
        stages = {}
        for name, kind in STAGES:
            # A transcript may come after the answer has begun: it then took no time of its own.
            now = max(before, min(at.get(kind, before), at["response.output_audio.delta"]))
            stages[name] = 1e3 * (now - before)
            before = now
        total = 1e3 * (at["response.output_audio.delta"] - session.said_at)
        await session.until("response.done")
        return stages | {"total": total, "beyond the silence": total - SILENCE_MS}


async def interrupted(cluster: Served, question: bytes, interruption: bytes) -> dict[str, float]:
    """One interruption: milliseconds from ``speech_started`` to the last sound of the old answer and to its ``response.done``.

    ``still answering``: 1 where the interruption came before the answer was whole. A fast machine has it whole in a second.
    """
    async with calling(cluster) as session:
        await asyncio.sleep(0.3)
        session.say(question)
        first = await session.until("response.output_audio.delta")
        old = first.body["response_id"]
        await asyncio.sleep(_HEARD_S)
        session.say(interruption)
        # The speech that stops the answer, not that which asked for it.
        started = await session.until("input_audio_buffer.speech_started")
        done = session.seen("response.done") or await session.until("response.done")
        await session.until("response.done")
        of_old = [event.at for event in session.events if event.body.get("response_id") == old]
        sounds = [
            event.at
            for event in session.events
            if event.kind == "response.output_audio.delta" and event.body["response_id"] == old and event.at > started.at
        ]
        return {
            "last sound after speech_started": 1e3 * (max(sounds) - started.at) if sounds else 0.0,
            "response.done after speech_started": 1e3 * max(0.0, done.at - started.at),
            "events after response.done": float(sum(at > done.at for at in of_old)),
            "still answering": float(done.at > started.at),
        }


async def run(cluster: Served, turns: int, interruptions: int) -> dict[str, Any]:
    said = await words()
    await answered(cluster, said[GREETING])  # processes started, caches warm
    greetings = [await answered(cluster, said[GREETING]) for _ in range(turns)]
    stops = [await interrupted(cluster, said[LONG_QUESTION], said[GREETING]) for _ in range(interruptions)]
    return {
        "audio_s": len(said[GREETING]) / 2 / SAMPLE_RATE_HZ,
        "turns": summary(greetings),
        "interruptions": summary(stops),
    }


def summary(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and largest of each figure."""
    names = rows[0] if rows else {}
    return {
        name: {"p50": round(statistics.median(row[name] for row in rows), 1), "max": round(max(row[name] for row in rows), 1)}
        for name in names
    }


def show(result: dict[str, Any]) -> None:
    for kind in ("turns", "interruptions"):
        print(f"{kind + ', ms':40}{'p50':>9}{'max':>9}")
        for name, row in result[kind].items():
            print(f"  {name:38}{row['p50']:>9.0f}{row['max']:>9.0f}")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.voice.conversation", description="Voice to voice through a cluster.")
    parser.add_argument("--turns", type=int, default=20, help="greetings to have answered (default: %(default)s)")
    parser.add_argument("--interruptions", type=int, default=10, help="answers to interrupt (default: %(default)s)")
    parser.add_argument("--early", action="store_true", help="answer in the silence (realtime.early_generation)")
    parser.add_argument("--endpoints", type=Path, help="endpoints.json of a cluster that runs (default: start one)")
    parser.add_argument("--json", type=Path, help="where to write the result (default: below .bench/results)")
    options = parser.parse_args(argv)
    circumstances = record.circumstances()
    try:
        with served(options.endpoints, {"early_generation": options.early}) as cluster:
            result = asyncio.run(run(cluster, options.turns, options.interruptions))
    except (Unavailable, SessionFailed) as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    show(result)
    path = record.save(circumstances | {"kind": "voice-conversation", **result}, "voice-conversation", options.json)
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
