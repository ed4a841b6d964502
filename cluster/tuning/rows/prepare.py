"""A training file from one end to the other, once: every line checked, every image looked at, every row written.

Checking and converting are one pass, so that an image from the web is fetched once, and what was checked is what is trained on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from cluster.config.settings.tuning import TuningSettings
from cluster.images.encoded import EncodedImage
from cluster.images.fetch import ImageFetcher
from cluster.images.gather import gather_images
from cluster.images.place import ImagePlace
from cluster.tuning.rows.conversation import image_parts
from cluster.tuning.rows.convert import Converted, convert
from cluster.tuning.rows.example import Example, SupervisedExample
from cluster.tuning.rows.lines import Line, lines
from cluster.tuning.rows.parse import Method, parse
from cluster.tuning.rows.problem import FileProblems, RowProblem

_ROWS_AT_ONCE = 4
"""Examples whose images are taken at a time: each may hold a hundred megabytes."""
_LINES_AT_ONCE = 64
"""Lines that one turn of a thread checks."""


@dataclass(slots=True)
class FileCounts:
    """What a file has. ``characters`` are those of the rows as JSON, without images: a measure of their tokens."""

    examples: int = 0
    rows: int = 0
    images: int = 0
    image_examples: int = 0
    characters: int = 0
    dropped_calls: int = 0

    def to_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(slots=True)
class Prepared:
    """``problems``: empty when the rows are in place."""

    counts: FileCounts
    problems: FileProblems
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a file is to be read. ``takes_images``, ``serial_calls``: of the model (:func:`~cluster.tuning.rows.convert.convert`)."""

    method: Method
    takes_images: bool
    serial_calls: bool
    settings: TuningSettings
    fetcher: ImageFetcher = field(repr=False)

    async def prepare(self, pieces: AsyncIterator[bytes], target: Path) -> Prepared:
        """Read a file and write its rows to ``target``, which is whole or not there.

        After the first problem no further row is written, but all lines and images are still checked; images from the web until as
        many problems are found as are named. Raises ``OSError``.
        """
        part = target.with_name(f".{target.name}.part")
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        prepared = Prepared(FileCounts(), FileProblems(self.settings.max_reported_problems))
        file = await asyncio.to_thread(part.open, "wb")
        try:
            writer = _Writer(file, self.settings.max_rows_bytes)
            async for batch in lines(pieces, self.settings.max_row_bytes):
                for start in range(0, len(batch), _LINES_AT_ONCE):
                    await self._take(batch[start : start + _LINES_AT_ONCE], prepared, writer)
                if prepared.too_large or prepared.counts.examples > self.settings.max_examples:
                    break
            # Those of images are found later than others of their batch.
            prepared.problems.shown.sort(key=lambda problem: problem.line)
            if not prepared.problems and not prepared.too_large:
                await asyncio.to_thread(writer.finish, part, target)
            return prepared
        finally:
            await asyncio.to_thread(_discard, file, part)

    async def _take(self, batch: Sequence[Line], prepared: Prepared, writer: _Writer) -> None:
        parsed = await asyncio.to_thread(self._parsed, batch)
        counts = prepared.counts
        ready: list[tuple[Line, Example, list[ImagePlace]]] = []
        for line, result in parsed:
            counts.examples += 1
            if isinstance(result, list):
                prepared.problems.add(result)
                continue
            places = _places(result)
            counts.images += len(places)
            counts.image_examples += bool(places)
            ready.append((line, result, places))
        for start in range(0, len(ready), _ROWS_AT_ONCE):
            now = ready[start : start + _ROWS_AT_ONCE]
            if prepared.problems.full:
                now = [each for each in now if _local(each[2])]
            await self._write(now, prepared, writer)

    def _parsed(self, batch: Sequence[Line]) -> list[tuple[Line, Example | list[RowProblem]]]:
        return [(line, parse(line, self.method, takes_images=self.takes_images)) for line in batch]

    async def _write(self, ready: Sequence[tuple[Line, Example, list[ImagePlace]]], prepared: Prepared, writer: _Writer) -> None:
        images = await asyncio.gather(*(gather_images(places, self.fetcher, self.settings.images) for _, _, places in ready))
        whole: list[tuple[Example, list[EncodedImage]]] = []
        for (line, example, _), found in zip(ready, images, strict=True):
            taken = [each for each in found if isinstance(each, EncodedImage)]
            if len(taken) < len(found):
                prepared.problems.add(RowProblem.of(line.number, each) for each in found if not isinstance(each, EncodedImage))
            else:
                whole.append((example, taken))
        if prepared.problems or prepared.too_large:
            return
        for converted, characters in await asyncio.to_thread(writer.write, whole, self.serial_calls):
            prepared.counts.rows += len(converted.rows)
            prepared.counts.characters += characters
            prepared.counts.dropped_calls += converted.dropped_calls
        prepared.too_large = writer.full


class _Writer:
    """For threads; one at a time."""

    def __init__(self, file: BinaryIO, limit_bytes: int) -> None:
        self._file = file
        self._left = limit_bytes
        self.full = False

    def write(self, examples: Sequence[tuple[Example, list[EncodedImage]]], serial: bool) -> list[tuple[Converted, int]]:
        """The rows of each example, and their characters."""
        written: list[tuple[Converted, int]] = []
        for example, images in examples:
            converted = convert(example, images, serial=serial)
            characters = 0
            for row in converted.rows:
                data = row.to_json()
                self._left -= len(data) + 1
                if self._left < 0:
                    self.full = True
                    return written
                self._file.write(data + b"\n")
                characters += row.characters(data)
            written.append((converted, characters))
        return written

    def finish(self, part: Path, target: Path) -> None:
        """Make it durable under its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(part, target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _discard(file: BinaryIO, part: Path) -> None:
    file.close()
    with suppress(FileNotFoundError):
        part.unlink()


def _places(example: Example) -> list[ImagePlace]:
    if not isinstance(example, SupervisedExample):
        return []
    return [ImagePlace(param, part.image_url.url) for param, part in image_parts(example.messages, "")]


def _local(places: Sequence[ImagePlace]) -> bool:
    return all(place.url[:5].lower() == "data:" for place in places)
