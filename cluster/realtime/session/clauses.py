"""From a stream of text to pieces that can be spoken: whole sentences, and a shorter first piece so that speech begins early.

Pieces hold the text unchanged, spaces included: joined they give it back.
"""

from __future__ import annotations

import re
from typing import Final

#: Enough words that a pause after them sounds natural.
FIRST_CLAUSE_CHARS: Final = 12
CLAUSE_CHARS: Final = 24
#: Text without any punctuation is cut at a space here, so that memory and latency stay bounded.
LONGEST_CHARS: Final = 300

# A sentence's end needs the space behind it: until it is there, "3." may become "3.5".
_SENTENCE = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+|\n+")  # noqa: RUF001
_PAUSE = re.compile(r"[,;:—–]\s+|[、，；：]")  # noqa: RUF001


class ClauseSplitter:
    def __init__(self) -> None:
        self._text = ""
        self._given = 0

    def push(self, text: str) -> list[str]:
        """Take the next text; the pieces that are complete now."""
        self._text += text
        clauses: list[str] = []
        while (end := self._end()) is not None:
            clauses.append(self._text[:end])
            self._text = self._text[end:]
            self._given += 1
        return clauses

    def rest(self) -> str:
        """What is left when the text has ended; may be empty."""
        rest, self._text = self._text, ""
        return rest

    def _end(self) -> int | None:
        first = self._given == 0
        end = _cut(_SENTENCE, self._text, FIRST_CLAUSE_CHARS if first else CLAUSE_CHARS)
        if first:
            pause = _cut(_PAUSE, self._text, FIRST_CLAUSE_CHARS)
            if pause is not None and (end is None or pause < end):
                return pause
        if end is not None and end <= LONGEST_CHARS:
            return end
        if len(self._text) < LONGEST_CHARS:
            return None
        # Without a word's end in reach any place is as good as another.
        space = self._text.rfind(" ", 1, LONGEST_CHARS)
        return space + 1 if space > 0 else LONGEST_CHARS


def _cut(pattern: re.Pattern[str], text: str, least: int) -> int | None:
    for found in pattern.finditer(text):
        if found.end() >= least:
            return found.end()
    return None
