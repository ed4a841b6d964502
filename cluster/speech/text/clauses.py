"""Cuts an answer into the pieces that are spoken one after the other, while it is still being written.

A piece should be short, since its first sound waits for all of its text, and should end where a speaker would pause, since the
voice falls at its end. The pieces joined are the text, character for character.
"""

from __future__ import annotations

import re
from typing import Final

#: Shortest first piece that may end at a comma: its sound is waited for.
FIRST_MIN_CHARS: Final = 16
#: Shortest later piece that may end at a comma: longer ones sound better, and there is time.
MIN_CHARS: Final = 60
#: A piece without any punctuation ends here at the latest, between words; a word without end is cut.
MAX_CHARS: Final = 240

_CLOSERS: Final = "\"'”’»)]}*_`"
#: The end of a sentence, with what closes around it, and a space (or a line's end) that proves it.
_SENTENCE = re.compile(rf"(?:[.!?…]+[{re.escape(_CLOSERS)}]*(?=\s)|[。！？]|\n)\s*")
_SOFT = re.compile(rf"(?:[,;:][{re.escape(_CLOSERS)}]*(?=\s)|\s[–—-](?=\s)|—)\s*")
_SPACE = re.compile(r"\s+")


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


#: Words whose full stop ends no sentence. ``no`` and ``fig`` only count before a number.
_ABBREVIATIONS: Final = _words(
    "mr mrs ms dr prof sr jr st mt vs approx dept est inc ltd co corp gen gov sen rep rev hon capt col lt sgt",
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun e.g i.e cf al ca vol pp ed eds",
)
_BEFORE_NUMBERS: Final = _words("no nos fig figs p ch sec art")
_LAST_WORD = re.compile(r"(?<![^\s(\"'])([^\W_]+(?:\.[^\W_]+)*)\.$")
_INITIALS = re.compile(r"^(?:[^\W\d_]\.)*[^\W\d_]$")
_LIST_NUMBER = re.compile(r"(?:^|\n)\s*\d{1,3}\.$")


class ClauseSplitter:
    """Takes text as it comes and gives pieces as soon as they are certain."""

    def __init__(self, *, first_min_chars: int = FIRST_MIN_CHARS, min_chars: int = MIN_CHARS, max_chars: int = MAX_CHARS) -> None:
        self._least = first_min_chars
        self._later = min_chars
        self._most = max_chars
        self._text = ""

    def push(self, text: str) -> list[str]:
        """The pieces that ``text`` completed."""
        self._text += text
        pieces: list[str] = []
        while (end := self._end()) is not None:
            pieces.append(self._text[:end])
            self._text = self._text[end:]
            if pieces[-1].strip():
                self._least = self._later
        return pieces

    def end(self) -> list[str]:
        """The rest. A text of spaces alone comes too, so that nothing is lost."""
        rest, self._text = self._text, ""
        return [rest] if rest else []

    def _end(self) -> int | None:
        start = len(self._text) - len(self._text.lstrip())
        for match in _SENTENCE.finditer(self._text, start):
            if match.end() <= self._most and self._ends_sentence(match):
                # Spaces that are still arriving belong to this piece, but nobody waits for them.
                return self._soft_end(match.end()) or match.end()
        return self._soft_end(len(self._text)) or self._hard_end()

    def _ends_sentence(self, match: re.Match[str]) -> bool:
        before = self._text[: match.start()] + match.group().strip()
        if match.group().startswith("\n"):
            return True
        if _LIST_NUMBER.search(before):
            return False
        found = _LAST_WORD.search(before)
        if found is None:
            return True
        word = found.group(1)
        if word.lower() in _ABBREVIATIONS or _INITIALS.match(word):
            return False
        following = self._text[match.end() : match.end() + 1]
        return not (word.lower() in _BEFORE_NUMBERS and (following == "" or following.isdigit()))

    def _soft_end(self, limit: int) -> int | None:
        """A pause inside a sentence, once the piece is long enough for one."""
        for match in _SOFT.finditer(self._text, 0, limit):
            if self._least <= match.end() < limit and match.end() <= self._most:
                return match.end()
        return None

    def _hard_end(self) -> int | None:
        if len(self._text) <= self._most:
            return None
        spaces = [match.end() for match in _SPACE.finditer(self._text, 0, self._most) if match.start() > 0]
        return spaces[-1] if spaces else self._most


def clauses(text: str, *, first_min_chars: int = FIRST_MIN_CHARS) -> list[str]:
    """The pieces of a whole text."""
    splitter = ClauseSplitter(first_min_chars=first_min_chars)
    return splitter.push(text) + splitter.end()
