"""espeak-ng as a :class:`~cluster.speech.contract.Synthesizer`, for machines without flite: plainly a machine.

It is under the GPL, so it is run as the program it is, one process a clause, and never loaded.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from cluster.errors import Overloaded
from cluster.speech.audio.pcm import samples_of
from cluster.speech.audio.resample import Resampler
from cluster.speech.contract import SAMPLE_RATE_HZ, SpokenChunk, TextMark, VoiceInfo
from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.speaking import check_order
from cluster.speech.text.clauses import MIN_CHARS, clauses
from cluster.speech.text.spoken import SpokenForm, spoken_form

PROGRAM: Final = "espeak-ng"
_RATE_HZ: Final = 22_050
_HEADER_BYTES: Final = 44
_BLOCK_BYTES: Final = 2 * _RATE_HZ // 10
#: Words a minute at speed 1, and the program's own bounds.
_WORDS_PER_MINUTE: Final = 165
_MIN_WORDS_PER_MINUTE: Final = 80
_MAX_WORDS_PER_MINUTE: Final = 450
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Variant:
    """``voice``: as ``espeak-ng -v`` takes it. ``pitch``: 0 to 99."""

    voice: str
    pitch: int
    description: str


_WOMAN: Final = Variant("en-us+f3", 55, "espeak-ng en-us, variant f3 (formants, high)")
_BRIGHT: Final = Variant("en-us+f4", 70, "espeak-ng en-us, variant f4 (formants, higher)")
_MAN: Final = Variant("en-us+m3", 45, "espeak-ng en-us, variant m3 (formants, low)")
_DEEP: Final = Variant("en-us+m7", 25, "espeak-ng en-us, variant m7 (formants, lower)")
_BRITISH: Final = Variant("en-gb+m1", 45, "espeak-ng en-gb, variant m1 (formants)")
_PLAIN: Final = Variant("en-us", 50, "espeak-ng en-us as it is (formants)")

VARIANTS: Final = {
    "alloy": _WOMAN,
    "ash": _MAN,
    "ballad": _BRITISH,
    "cedar": _MAN,
    "coral": _WOMAN,
    "echo": _MAN,
    "fable": _BRITISH,
    "marin": _WOMAN,
    "nova": _BRIGHT,
    "onyx": _DEEP,
    "sage": _WOMAN,
    "shimmer": _BRIGHT,
    "verse": _PLAIN,
}
VOICES: Final = tuple(VoiceInfo(name, variant.description, "en") for name, variant in VARIANTS.items())


class EspeakSynthesizer:
    """Heard positions are reckoned within a clause by its letters: the program tells no times."""

    def __init__(self, *, workers: int = 2, wait_s: float = 10.0, max_chars: int = 4096) -> None:
        """``workers``: clauses at a time. ``wait_s``: longest wait for a turn. ``max_chars``: longest text of one :meth:`speak`."""
        self._turns = asyncio.Semaphore(workers)
        self._wait_s = wait_s
        self._max_chars = max_chars
        self._program = ""

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return VOICES

    async def start(self) -> None:
        """Find the program.

        Raises:
            SpeechUnavailable: it is not installed.
        """
        found = shutil.which(PROGRAM)
        if found is None:
            raise SpeechUnavailable(f"the program {PROGRAM} is missing: apt-get install {PROGRAM}")
        self._program = found

    async def stop(self) -> None:
        """Nothing runs between clauses."""

    async def check_health(self) -> None:
        """Raises:
        SpeechUnavailable: the program was not found.
        """
        if not self._program:
            raise SpeechUnavailable(f"the program {PROGRAM} was not started")

    async def speak(self, text: str, *, voice: str, speed: float = 1.0) -> AsyncGenerator[SpokenChunk, None]:
        check_order(text, voice, speed, VARIANTS, self._max_chars)
        chars = samples = 0
        for clause in clauses(text, first_min_chars=MIN_CHARS):
            form = spoken_form(clause)
            if form.has_sound:
                begin = samples
                async with aclosing(self._clause(form.text, VARIANTS[voice], speed)) as pieces:
                    async for pcm in pieces:
                        samples += samples_of(pcm)
                        yield SpokenChunk(pcm)
                yield SpokenChunk(b"", _marks(form, chars, begin, samples))
            chars += len(clause)
            yield SpokenChunk(b"", (TextMark(chars, samples),))

    async def _clause(self, text: str, variant: Variant, speed: float) -> AsyncGenerator[bytes, None]:
        words_per_minute = round(min(max(_WORDS_PER_MINUTE * speed, _MIN_WORDS_PER_MINUTE), _MAX_WORDS_PER_MINUTE))
        options = ["-v", variant.voice, "-p", str(variant.pitch), "-s", str(words_per_minute), "--stdin", "--stdout"]
        await self._turn()
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *options,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                # By standard input: a text that begins with a hyphen is no option there, and no other user can read it.
                process.stdin.write(text.encode())
                process.stdin.close()
                try:
                    await process.stdout.readexactly(_HEADER_BYTES)
                except asyncio.IncompleteReadError as error:
                    raise SpeechFailed("the synthesizer gave no audio") from error
                resampler = Resampler(_RATE_HZ, SAMPLE_RATE_HZ)
                rest = b""
                while block := await process.stdout.read(_BLOCK_BYTES):
                    rest += block
                    whole = len(rest) & ~1
                    yield resampler.push(rest[:whole])
                    rest = rest[whole:]
                yield resampler.end()
            finally:
                # One that is through ends by itself; asyncio would lose its exit status to a signal.
                if not process.stdout.at_eof():
                    with suppress(ProcessLookupError):
                        process.kill()
                await process.wait()
        finally:
            self._turns.release()

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("all speech workers are busy", code="speech_overloaded") from None


def _marks(form: SpokenForm, chars: int, begin: int, end: int) -> tuple[TextMark, ...]:
    """The words of a clause, spread over its audio by their letters."""
    words = list(_WORD.finditer(form.text))
    letters = max(words[-1].end(), 1)
    return tuple(TextMark(chars + form.written_end(word.end()), begin + (end - begin) * word.end() // letters) for word in words)
