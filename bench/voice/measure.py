"""The measurements themselves. Processor seconds are those of this process and its workers; wall time stands beside them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.gateway.__main__ import cpu_s
from bench.voice.error_rate import Errors, compare
from cluster.speech.audio.pcm import as_int16, from_float, ms_of, samples_of
from cluster.speech.audio.resample import resample
from cluster.speech.contract import LISTENING_RATE_HZ, SAMPLE_RATE_HZ, Recognition
from cluster.speech.flite.synthesizer import FliteSynthesizer
from cluster.speech.silero.model import SileroModel, SileroVad
from cluster.speech.sphinx.decoder import SphinxDecoder
from cluster.speech.sphinx.recognizer import SphinxRecognizer
from cluster.speech.turns.detector import TurnDetector
from cluster.speech.turns.settings import ServerVad

#: As a client sends it: 20 ms.
_PIECE_BYTES = 2 * SAMPLE_RATE_HZ // 50
_PEAK = 0.7
_SIGNAL_TO_NOISE = 10 ** (50 / 20)
_PREFIX_S = 0.3


@dataclass(frozen=True, slots=True)
class Said:
    voice: str
    text: str
    pcm: bytes

    @property
    def seconds(self) -> float:
        return samples_of(self.pcm) / SAMPLE_RATE_HZ


@dataclass(slots=True)
class Hearing:
    """What recognition cost and got wrong. ``waits_s``: from the end of the audio to the transcript."""

    errors: Errors = field(default_factory=Errors)
    exact: int = 0
    utterances: int = 0
    audio_s: float = 0.0
    processor_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    wait_processor_s: list[float] = field(default_factory=list)
    by_voice: dict[str, Errors] = field(default_factory=dict)

    def table_row(self) -> dict[str, object]:
        return {
            "word_error_rate": round(self.errors.rate, 3),
            "exact": f"{self.exact}/{self.utterances}",
            "processor_s_per_audio_s": round(self.processor_s / self.audio_s, 3),
            "wait_ms_p50": round(1e3 * statistics.median(self.waits_s)),
            "wait_processor_ms_p50": round(1e3 * statistics.median(self.wait_processor_s)),
            "wait_processor_ms_max": round(1e3 * max(self.wait_processor_s)),
            "word_error_rate_by_voice": {voice: round(errors.rate, 3) for voice, errors in self.by_voice.items()},
        }


async def say(synthesizer: FliteSynthesizer, sentences: Sequence[str], voices: Sequence[str]) -> list[Said]:
    """Each sentence by one of the voices in turn: at one peak level, with noise 50 dB below the speech."""
    return await _say(synthesizer, [(sentence, voices[number % len(voices)]) for number, sentence in enumerate(sentences)])


async def say_by_each(synthesizer: FliteSynthesizer, sentences: Sequence[str], voices: Sequence[str]) -> list[Said]:
    """Each sentence by each of the voices: so many that a rate of errors says something of the recognizer."""
    return await _say(synthesizer, [(sentence, voice) for sentence in sentences for voice in voices])


async def _say(synthesizer: FliteSynthesizer, lines: Sequence[tuple[str, str]]) -> list[Said]:
    generator = np.random.default_rng(7)
    said = []
    for sentence, voice in lines:
        pcm = b"".join([chunk.pcm async for chunk in synthesizer.speak(sentence, voice=voice)])
        samples = np.concatenate([np.zeros(int(_PREFIX_S * SAMPLE_RATE_HZ)), as_int16(pcm).astype(float)])
        samples *= _PEAK / np.abs(samples).max()
        samples += generator.normal(0, np.sqrt(np.mean(samples**2)) / _SIGNAL_TO_NOISE, len(samples))
        said.append(Said(voice, sentence, from_float(samples)))
    return said


async def hear(recognizer: SphinxRecognizer, said: Sequence[Said], *, live: bool, paced: bool) -> Hearing:
    """Recognize all. ``paced``: audio comes as fast as it was spoken, so that the wait at its end is that of a conversation."""
    result = Hearing()
    for item in said:
        before_s = _processor_s(recognizer)
        recognition = recognizer.open(live=live)
        await _feed(recognition, item.pcm, paced=paced)
        ended_s, at_end_s = time.perf_counter(), _processor_s(recognizer)
        transcript = await recognition.finish()
        result.waits_s.append(time.perf_counter() - ended_s)
        result.wait_processor_s.append(_processor_s(recognizer) - at_end_s)
        result.processor_s += _processor_s(recognizer) - before_s
        errors = compare(item.text, transcript.text)
        result.errors += errors
        result.by_voice[item.voice] = result.by_voice.get(item.voice, Errors()) + errors
        result.exact += errors.wrong == 0
        result.utterances += 1
        result.audio_s += item.seconds
    return result


def plain(said: Sequence[Said]) -> dict[str, object]:
    """PocketSphinx as it comes, given each recording as a whole, with all its passes: what the live recognizer is held against."""
    from pocketsphinx import Config, Decoder

    decoder = Decoder(Config(samprate=LISTENING_RATE_HZ, loglevel="FATAL"))
    total, by_voice = Errors(), dict[str, Errors]()
    began_s = time.process_time()
    for item in said:
        decoder.start_utt()
        decoder.process_raw(resample(item.pcm, SAMPLE_RATE_HZ, LISTENING_RATE_HZ), False, True)
        decoder.end_utt()
        found = decoder.hyp()
        errors = compare(item.text, found.hypstr if found is not None else "")
        total += errors
        by_voice[item.voice] = by_voice.get(item.voice, Errors()) + errors
    return {
        "word_error_rate": round(total.rate, 3),
        "utterances": len(said),
        "processor_s_per_audio_s": round((time.process_time() - began_s) / sum(item.seconds for item in said), 3),
        "word_error_rate_by_voice": {voice: round(errors.rate, 3) for voice, errors in by_voice.items()},
    }


def settling(said: Sequence[Said]) -> dict[str, object]:
    """What is left to do for a transcript when all audio has been decoded: the least that a conversation waits for.

    In this process, without a worker: a machine that is too busy to decode as fast as people speak doesn't come into it.
    """
    decoder = SphinxDecoder()
    costs_s = []
    for item in said:
        pcm = resample(item.pcm, SAMPLE_RATE_HZ, LISTENING_RATE_HZ)
        decoder.begin(live=True)
        for at in range(0, len(pcm), 2 * LISTENING_RATE_HZ // 10):
            decoder.feed(pcm[at : at + 2 * LISTENING_RATE_HZ // 10])
        begun_s = time.thread_time()
        decoder.settle()
        costs_s.append(time.thread_time() - begun_s)
    return {"processor_ms_p50": round(1e3 * statistics.median(costs_s)), "processor_ms_max": round(1e3 * max(costs_s))}


async def speaking(synthesizer: FliteSynthesizer, sentences: Sequence[str], voice: str) -> dict[str, object]:
    """Time to the first audio, and processor time for each second of it."""
    firsts_s, first_processor_s = [], []
    audio_ms = 0
    begun_s = _processor_s(synthesizer)
    for sentence in sentences:
        started_s, processor_s = time.perf_counter(), _processor_s(synthesizer)
        waiting = True
        async for chunk in synthesizer.speak(sentence, voice=voice):
            if chunk.pcm and waiting:
                waiting = False
                firsts_s.append(time.perf_counter() - started_s)
                first_processor_s.append(_processor_s(synthesizer) - processor_s)
            audio_ms += ms_of(samples_of(chunk.pcm))
    spent_s = _processor_s(synthesizer) - begun_s
    return {
        "first_audio_ms_p50": round(1e3 * statistics.median(firsts_s), 1),
        "first_audio_processor_ms_p50": round(1e3 * statistics.median(first_processor_s), 1),
        "processor_s_per_audio_s": round(spent_s / audio_ms * 1e3, 4),
    }


def listening(said: Sequence[Said], seconds: float) -> dict[str, object]:
    """What turn detection costs for each frame of 32 ms, and how late it is; all on this thread."""
    network = SileroModel()
    detector = TurnDetector(SileroVad(network), ServerVad())
    pcm = b"".join(item.pcm + bytes(2 * SAMPLE_RATE_HZ) for item in said)
    pcm = pcm[: int(seconds * SAMPLE_RATE_HZ) * 2]
    costs_s = []
    begun_s = time.thread_time()
    for at in range(0, len(pcm), _PIECE_BYTES):
        piece_s = time.thread_time()
        detector.feed(pcm[at : at + _PIECE_BYTES])
        costs_s.append(time.thread_time() - piece_s)
    spent_s = time.thread_time() - begun_s
    audio_s = samples_of(pcm) / SAMPLE_RATE_HZ
    return {
        "processor_ms_per_frame": round(spent_s / audio_s * 32, 4),
        "sessions_per_core": int(audio_s / spent_s),
        "longest_piece_ms": round(1e3 * max(costs_s), 2),
    }


def _processor_s(speech: SphinxRecognizer | FliteSynthesizer) -> float:
    """Of this process and its workers, in seconds."""
    return time.process_time() + sum(cpu_s(pid) for pid in speech.pids)


async def _feed(recognition: Recognition, pcm: bytes, *, paced: bool) -> None:
    begun_s = time.perf_counter()
    for number, at in enumerate(range(0, len(pcm), _PIECE_BYTES), 1):
        await recognition.feed(pcm[at : at + _PIECE_BYTES])
        if paced:
            await asyncio.sleep(max(begun_s + number * 0.02 - time.perf_counter(), 0))
