"""Kokoro as a :class:`~cluster.speech.contract.Synthesizer`: a clause at a time, on threads, by one copy of the weights.

The network lets Python's lock go while it computes, and can be stopped within a clause.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.errors import Overloaded
from cluster.speech.audio.pcm import from_float, samples_of
from cluster.speech.contract import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Pcm, SpokenChunk, TextMark, VoiceInfo
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.kokoro import files, voices
from cluster.speech.kokoro.network import MAX_SYMBOLS, KokoroNetwork, Sound
from cluster.speech.kokoro.phonemes import Phonemizer, Spoken
from cluster.speech.speaking import check_order
from cluster.speech.text.clauses import MIN_CHARS, clauses
from cluster.speech.text.spoken import SpokenForm, spoken_form

_BLOCK_SAMPLES: Final = SAMPLE_RATE_HZ // 10
#: Silence before the first sound is cut to this much, 40 ms: a listener would only wait for it.
_LEAD_SAMPLES: Final = SAMPLE_RATE_HZ * 40 // 1000
#: Of full scale: what lies below it is silence.
_SILENCE: Final = 0.01
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class _Audio:
    """``edges``: the samples where each symbol begins, and the end of the last one."""

    pcm: Pcm
    edges: Sequence[int]


class KokoroSynthesizer:
    """Heard positions are exact at punctuation where the network tells durations, and reckoned by letters between."""

    def __init__(
        self,
        source: str,
        *,
        file: str | None = None,
        device: str = "cpu",
        workers: int = 1,
        threads: int = 1,
        wait_s: float = 10.0,
        max_chars: int = 4096,
    ) -> None:
        """``source``: a folder, or a repository of the hub; ``file``: which network of it. ``device``: ``cpu`` or ``cuda``.

        ``workers``: clauses at a time, ``threads`` for each of them. ``wait_s``: longest wait for a turn. ``max_chars``: longest
        text of one :meth:`speak`.
        """
        self._source = source
        self._file = file
        self._device = device
        self._threads = threads
        self._wait_s = wait_s
        self._max_chars = max_chars
        self._turns = asyncio.Semaphore(workers)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="kokoro")
        self._phonemizer = Phonemizer()
        self._network: KokoroNetwork | None = None
        self._styles: dict[str, NDArray[np.float32]] = {}
        self._by_name: dict[str, str] = {}
        self._voices: tuple[VoiceInfo, ...] = ()

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        """Known once started."""
        return self._voices

    async def start(self) -> None:
        """Find the program for phonemes, load the network and the voices.

        Raises:
            SpeechUnavailable: something is missing; the message says what.
        """
        self._phonemizer.start()
        await asyncio.get_running_loop().run_in_executor(self._pool, self._load)

    def _load(self) -> None:
        found = files.find(self._source, self._file)
        names = voices.spoken_here(found.voices)
        if not names:
            raise SpeechUnavailable(f"{self._source} has no voice of a language that can be spoken here")
        network = KokoroNetwork(found, threads=self._threads, device=self._device)
        self._styles = {name: found.voices[name] for name in names}
        self._by_name = voices.by_client_name(names)
        self._voices = voices.infos(self._by_name)
        self._network = network

    async def stop(self) -> None:
        """Wait for the clauses that are being computed, and let the weights go. Idempotent."""
        await asyncio.to_thread(self._pool.shutdown)
        self._network = None

    async def check_health(self) -> None:
        """Raises:
        SpeechUnavailable: no network is loaded.
        """
        self._loaded()

    async def speak(self, text: str, *, voice: str, speed: float = 1.0) -> AsyncGenerator[SpokenChunk, None]:
        check_order(text, voice, speed, self._by_name, self._max_chars)
        network, voice = self._loaded(), self._by_name[voice]
        chars = samples = 0
        for clause in clauses(text, first_min_chars=MIN_CHARS):
            form = spoken_form(clause)
            if form.has_sound:
                spoken = await self._phonemizer.spoken(form.text, voices.accent_of(voice))
                for window in _windows(spoken, network):
                    audio = await self._audio(network, "".join(part.symbols for part in window), voice, speed)
                    base = TextMark(chars, samples)
                    for block in _blocks(audio.pcm, _marks(window, form, audio.edges, base), base):
                        samples += samples_of(block.pcm)
                        yield block
            chars += len(clause)
            yield SpokenChunk(b"", (TextMark(chars, samples),))

    async def _audio(self, network: KokoroNetwork, symbols: str, voice: str, speed: float) -> _Audio:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("all speech workers are busy", code="speech_overloaded") from None
        run = network.new_run()
        style = self._styles[voice]
        work = asyncio.get_running_loop().run_in_executor(self._pool, lambda: _trimmed(network.run(run, symbols, style, speed)))
        # The turn ends with the thread's work, also when nobody waits for that any more.
        work.add_done_callback(self._end_turn)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            run.stop()
            raise

    def _end_turn(self, work: asyncio.Future[_Audio]) -> None:
        self._turns.release()
        if not work.cancelled():
            work.exception()  # of work that was dropped nobody asks for it

    def _loaded(self) -> KokoroNetwork:
        if self._network is None:
            raise SpeechUnavailable("Kokoro is not loaded")
        return self._network


def _windows(spoken: Sequence[Spoken], network: KokoroNetwork) -> list[list[Spoken]]:
    """Phrases in groups that the network takes at once, with its own symbols alone. Of a phrase that is too long comes each part
    as a phrase of its own, the earlier ones without an end in the text."""
    windows: list[list[Spoken]] = [[]]
    room = MAX_SYMBOLS
    for part in spoken:
        symbols = network.known(part.symbols)
        pieces = [symbols[at : at + MAX_SYMBOLS] for at in range(0, len(symbols), MAX_SYMBOLS)]
        for number, piece in enumerate(pieces):
            if len(piece) > room:
                windows.append([])
                room = MAX_SYMBOLS
            room -= len(piece)
            windows[-1].append(Spoken(piece, part.phrase, last=number == len(pieces) - 1))
    return [window for window in windows if window]


def _trimmed(sound: Sound) -> _Audio:
    """Without most of the silence before the first sound."""
    loud = np.abs(sound.samples) > _SILENCE
    cut = max(int(np.argmax(loud)) - _LEAD_SAMPLES, 0) if loud.any() else 0
    return _Audio(from_float(sound.samples[cut:]), np.maximum(sound.edges - cut, 0).tolist())


def _marks(window: Sequence[Spoken], form: SpokenForm, edges: Sequence[int], base: TextMark) -> list[TextMark]:
    """Of each word: a phrase lies where its symbols do, its words are spread over it by their letters."""
    marks: list[TextMark] = []
    symbol = 0
    for part in window:
        begin, end = edges[symbol], edges[symbol + len(part.symbols)]
        symbol += len(part.symbols)
        if not part.last:
            continue
        written = form.text[part.phrase.begin : part.phrase.end]
        letters = max(len(written.rstrip()), 1)
        for word in _WORD.finditer(written):
            at = begin + (end - begin) * word.end() // letters
            marks.append(TextMark(base.char_end + form.written_end(part.phrase.begin + word.end()), base.sample_end + at))
    return marks


def _blocks(pcm: Pcm, marks: list[TextMark], base: TextMark) -> list[SpokenChunk]:
    """The audio in pieces, each with the marks that lie in it."""
    blocks: list[SpokenChunk] = []
    for at in range(0, len(pcm), BYTES_PER_SAMPLE * _BLOCK_SAMPLES):
        piece = pcm[at : at + BYTES_PER_SAMPLE * _BLOCK_SAMPLES]
        end = base.sample_end + (at + len(piece)) // BYTES_PER_SAMPLE
        due = [mark for mark in marks if mark.sample_end <= end]
        marks = marks[len(due) :]
        blocks.append(SpokenChunk(piece, tuple(due)))
    return blocks
