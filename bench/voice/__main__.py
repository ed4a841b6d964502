"""The default speech stack, measured: ``python -m bench.voice [--quick] [--json FILE]``.

Word errors of PocketSphinx on sentences that flite speaks, the wait for its transcript, the time to flite's first audio, and what
each of them and turn detection cost in processor time. All speech is synthetic: figures for people and microphones are others.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from bench import record
from bench.voice import measure
from bench.voice.sentences import SENTENCES
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.flite.synthesizer import FliteSynthesizer
from cluster.speech.sphinx.recognizer import SphinxRecognizer

#: One name of each preset: slt, rms, awb, kal16, and slt and rms shifted.
VOICES = ("alloy", "echo", "fable", "verse", "shimmer", "onyx")
#: The note's four voices, apart: the shifted ones are made of two of them.
OWN_VOICES = VOICES[:4]
_LISTENING_S = 60.0
_QUICK = 8


async def run(*, quick: bool) -> dict[str, Any]:
    """All measurements, one after the other.

    Raises:
        SpeechUnavailable: flite or PocketSphinx is missing.
    """
    sentences = SENTENCES[:_QUICK] if quick else SENTENCES
    synthesizer = FliteSynthesizer(workers=1)
    recognizer = SphinxRecognizer(workers=1)
    try:
        await synthesizer.start()
        await recognizer.start()
        said = await measure.say(synthesizer, sentences, OWN_VOICES)
        shifted = await measure.say(synthesizer, sentences[: len(sentences) // 2], VOICES[4:])
        by_each = await measure.say_by_each(synthesizer, sentences, OWN_VOICES)
        await measure.hear(recognizer, said[:1], live=True, paced=False)  # memory mapped, caches warm
        hearing = {
            "live, four voices": await measure.hear(recognizer, said, live=True, paced=False),
            "live, each voice says each": await measure.hear(recognizer, by_each, live=True, paced=False),
            "live, as fast as spoken": await measure.hear(recognizer, said[: len(said) // 2], live=True, paced=True),
            "live, two shifted voices": await measure.hear(recognizer, shifted, live=True, paced=False),
            "whole recordings": await measure.hear(recognizer, said, live=False, paced=False),
        }
        return {
            "recognition": {name: result.table_row() for name, result in hearing.items()},
            "plain": await asyncio.to_thread(measure.plain, by_each),
            "settling": measure.settling(said),
            "synthesis": {voice: await measure.speaking(synthesizer, sentences, voice) for voice in VOICES},
            "turn_detection": measure.listening(said, _LISTENING_S),
        }
    finally:
        await synthesizer.stop()
        await recognizer.stop()


def show(result: dict[str, Any]) -> None:
    print(f"{'recognition':28}{'WER':>7}{'exact':>8}{'CPU/audio':>11}{'wait ms':>9}{'its CPU':>9}{'max':>6}")
    for name, row in result["recognition"].items():
        print(
            f"{name:28}{row['word_error_rate']:>7.3f}{row['exact']:>8}{row['processor_s_per_audio_s']:>11.3f}"
            f"{row['wait_ms_p50']:>9}{row['wait_processor_ms_p50']:>9}{row['wait_processor_ms_max']:>6}"
        )
        print("  " + ", ".join(f"{voice} {rate:.3f}" for voice, rate in row["word_error_rate_by_voice"].items()))
    row = result["plain"]
    print(f"{'PocketSphinx alone, the same':28}{row['word_error_rate']:>7.3f}{'':>8}{row['processor_s_per_audio_s']:>11.3f}")
    print("  " + ", ".join(f"{voice} {rate:.3f}" for voice, rate in row["word_error_rate_by_voice"].items()))
    row = result["settling"]
    print(f"transcript after the last audio: {row['processor_ms_p50']} ms of processor time, {row['processor_ms_max']} at most")
    print(f"\n{'synthesis':28}{'first ms':>9}{'its CPU':>9}{'CPU/audio':>11}")
    for voice, row in result["synthesis"].items():
        first, its = row["first_audio_ms_p50"], row["first_audio_processor_ms_p50"]
        print(f"{voice:28}{first:>9}{its:>9}{row['processor_s_per_audio_s']:>11.4f}")
    row = result["turn_detection"]
    print(f"\nturn detection: {row['processor_ms_per_frame']} ms of processor time a frame of 32 ms,")
    print(f"{row['sessions_per_core']} sessions a core by that alone;")
    print(f"the longest step for 20 ms of audio took {row['longest_piece_ms']} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description="The default speech stack: errors, latency, processor time.")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} sentences instead of {len(SENTENCES)}")
    parser.add_argument("--json", type=Path, help="where to write the result; default: below .bench/results")
    options = parser.parse_args()
    circumstances = record.circumstances()
    try:
        result = asyncio.run(run(quick=options.quick))
    except SpeechUnavailable as unavailable:
        print(f"error: {unavailable.message}", file=sys.stderr)
        return 1
    show(result)
    path = record.save({"circumstances": circumstances, **result}, "voice", options.json)
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
