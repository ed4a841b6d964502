"""Text → the symbols that Kokoro was taught: IPA with its stress marks, one letter for each diphthong, and punctuation.

espeak-ng writes the IPA. It is under the GPL, so it is run as the program it is, and never loaded. It leaves punctuation out, which
Kokoro needs for its melody: so it is given what stands between two marks, and the marks are put back.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.kokoro.voices import Accent

PROGRAM: Final = "espeak-ng"
#: What Kokoro has a symbol for. A full stop, comma or colon inside a number or a name is none, nor is that of an abbreviation.
_MARK = re.compile(r"\s*(?:[,.:;!?…]+(?=[\s\"”»)\]]|$)|[;!?…—“”\"()])[\s\"“”,.:;!?…—()]*")
_ABBREVIATION = re.compile(r"(?i)\b(?:mr|mrs|ms|dr|prof|st|mt|vs|no|approx|inc|ltd|co|jr|sr)\.$")
_OTHER_LANGUAGE = re.compile(r"\(\^?[a-z](?:[\^a-z-])*\)")
_SYLLABIC = re.compile(r"(\S)\u0329")

#: Sounds that have one symbol in Kokoro. espeak-ng ties their letters with a circumflex.
_ANY: Final = (("a^ɪ", "I"), ("a^ʊ", "W"), ("e^ɪ", "A"), ("ɔ^ɪ", "Y"), ("t^ʃ", "ʧ"), ("d^ʒ", "ʤ"), ("t^s", "ʦ"), ("d^z", "ʣ"))
_ENGLISH: Final = (*_ANY, ("ə^l", "ᵊl"), ("ʔ", "t"), ("ɚɹ", "əɹ"), ("ɚ", "əɹ"), ("ɐ", "ə"), ("x", "k"), ("r", "ɹ"))
_BY_ACCENT: Final = {
    "en-us": (*_ENGLISH, ("o^ʊ", "O"), ("o", "ɔ"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("i^ə", "iə"), ("ː", ""), ("ɾ", "T")),
    "en-gb": (*_ENGLISH, ("ə^ʊ", "Q"), ("o", "ɔ"), ("e^ə", "ɛː"), ("i^ə", "ɪə")),
}
_ELSEWHERE: Final = (*_ANY, ("o^ʊ", "O"), ("ə^ʊ", "Q"), ("-", ""))


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words up to a mark, and the mark. ``begin``, ``end``: where both stand in the text, the spaces around them included."""

    words: str
    mark: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """A phrase in Kokoro's symbols, with its mark and the space behind it, or a part of one. ``last``: the phrase ends in it."""

    symbols: str
    phrase: Phrase
    last: bool = True


def phrases(text: str) -> list[Phrase]:
    """The text in its phrases; joined they are the text, spaces at their edges excepted."""
    found: list[Phrase] = []
    begin = 0
    for match in _MARK.finditer(text):
        if _ABBREVIATION.search(text[begin : match.end()].rstrip()):
            continue
        found.append(Phrase(text[begin : match.start()].strip(), match.group().strip(), begin, match.end()))
        begin = match.end()
    if text[begin:].strip():
        found.append(Phrase(text[begin:].strip(), "", begin, len(text)))
    return found


def kokoro_symbols(ipa: str, accent: Accent) -> str:
    """espeak-ng's IPA (with ``--tie=^``) in Kokoro's symbols."""
    symbols = _OTHER_LANGUAGE.sub("", ipa)
    for sound, symbol in _BY_ACCENT.get(accent.espeak, _ELSEWHERE):
        symbols = symbols.replace(sound, symbol)
    if accent.language == "en":
        symbols = _SYLLABIC.sub(r"ᵊ\1", symbols)
    return symbols.replace("^", "")


class Phonemizer:
    """Runs the program, one process a phrase, ``at_once`` of them at most."""

    def __init__(self, *, at_once: int = 4) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._program = ""

    def start(self) -> None:
        """Find the program.

        Raises:
            SpeechUnavailable: it is not installed.
        """
        found = shutil.which(PROGRAM)
        if found is None:
            raise SpeechUnavailable(f"Kokoro needs the program {PROGRAM} for its phonemes: apt-get install {PROGRAM}")
        self._program = found

    async def spoken(self, text: str, accent: Accent) -> Sequence[Spoken]:
        """The phrases of a text in Kokoro's symbols.

        Raises:
            SpeechFailed: the program failed.
        """
        parts = phrases(text)
        tasks = [asyncio.ensure_future(self._ipa(part.words, accent)) for part in parts]
        try:
            sounds = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        last = len(parts) - 1
        return [
            Spoken(kokoro_symbols(ipa, accent) + part.mark + ("" if number == last else " "), part)
            for number, (part, ipa) in enumerate(zip(parts, sounds, strict=True))
        ]

    async def _ipa(self, words: str, accent: Accent) -> str:
        if not any(character.isalnum() for character in words):
            return ""
        async with self._turns:
            # By standard input: a text that begins with a hyphen is no option there, and no other user can read it.
            process = await asyncio.create_subprocess_exec(
                self._program,
                *("-q", "--ipa", "--tie=^", "-v", accent.espeak, "--stdin"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                output, _ = await process.communicate(f"{words}\n".encode())
            except asyncio.CancelledError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                raise
        if process.returncode:
            raise SpeechFailed(f"{PROGRAM} ended with {process.returncode}")
        return " ".join(output.decode().split())
