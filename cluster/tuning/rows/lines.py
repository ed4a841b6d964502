"""A file's lines out of its pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

_BLANK: Final = b" \t\r\n"
_HELD_BLANK_LINES: Final = 1000
"""More of them at the end of a file are no slip any more, and are told as the bad lines that they would be elsewhere."""


@dataclass(frozen=True, slots=True)
class Line:
    """``number`` counts from 1. ``data`` is ``None`` for a line longer than the limit, of which nothing is kept."""

    number: int
    data: bytes | None

    @property
    def blank(self) -> bool:
        return self.data is not None and not self.data.strip(_BLANK)


async def lines(pieces: AsyncIterator[bytes], max_line_bytes: int) -> AsyncIterator[list[Line]]:
    """Lines in order, those that end in one piece together. Blank lines at the end of the file are left out, others are not."""
    splitter = _Splitter(max_line_bytes)
    blank: list[Line] = []
    async for piece in pieces:
        if found := _held(splitter.feed(piece), blank):
            yield found
    if found := _held(splitter.end(), blank):
        yield found


def _held(found: Iterator[Line], blank: list[Line]) -> list[Line]:
    """``found``, with the blank lines that were held back before the last one that is not blank. Holds back those after it."""
    ready: list[Line] = []
    for line in found:
        if line.blank:
            blank.append(Line(line.number, b""))
        else:
            ready += [*blank, line]
            blank.clear()
    if len(blank) > _HELD_BLANK_LINES:
        ready += blank
        blank.clear()
    return ready


class _Splitter:
    def __init__(self, max_line_bytes: int) -> None:
        self._limit = max_line_bytes
        self._number = 1
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[Line]:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            self._keep(piece[start:end])
            yield self._taken()
            start = end + 1
        self._keep(piece[start:])

    def end(self) -> Iterator[Line]:
        if self._size:
            yield self._taken()

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _taken(self) -> Line:
        data = b"".join(self._parts) if self._size <= self._limit else None
        line = Line(self._number, data)
        self._number += 1
        self._parts, self._size = [], 0
        return line
