"""The rows of a run's source, in an order that is the same each time: a run that begins again finds the same items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence, Set
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from cluster.completions.service import Filter, StoredCompletions
from cluster.config.settings.evals import EvalsSettings
from cluster.errors import NotFound
from cluster.evals.runs.data_source import FileContent, FileId, RunSource, StoredCompletionsFilter
from cluster.evals.runs.item_schema import ItemSchema
from cluster.evals.runs.rows import Row, line_problem, read_line, stored_row
from cluster.files.service import Files
from cluster.identity.principal import Principal
from cluster.jobs.errors import JobFailed

_SHOWN_PROBLEMS: Final = 10
_LINES_AT_A_TIME: Final = 200
_BYTES_AT_A_TIME: Final = 8 << 20
_STORED_AT_A_TIME: Final = 20


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a source once it was looked through, to be kept for later runs of the job.

    ``ids``: of the stored completions that were chosen, in order; empty for others.
    """

    count: int
    ids: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        return {"count": self.count, "ids": list(self.ids)}

    @classmethod
    def of(cls, recorded: dict[str, Any]) -> Prepared:
        return cls(int(recorded["count"]), [str(name) for name in recorded["ids"]])


class ItemSource(Protocol):
    async def prepare(self) -> Prepared:
        """Look the source through, before anything is spent on it. Raises :class:`JobFailed` for one that can't be used."""
        ...

    def rows(self, prepared: Prepared, done: Set[int]) -> AsyncGenerator[Row, None]:
        """Its rows in order, without those whose places are ``done``. Raises :class:`JobFailed` when it is gone meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What sources are read from, with the rights of whoever started the run."""

    files: Files
    completions: StoredCompletions
    settings: EvalsSettings

    def open(self, principal: Principal, source: RunSource, schema: ItemSchema, logs: dict[str, str]) -> ItemSource:
        """``logs``: the metadata that an eval over stored completions asks for."""
        match source.source:
            case FileContent() as given:
                return _Inline(given)
            case FileId() as given:
                return _File(self.files, principal, given.id, schema, self.settings)
            case StoredCompletionsFilter() as given:
                return _Stored(self.completions, principal, given, schema, logs, self.settings)


class _Inline:
    """Its rows were held against the schema when the run was made."""

    def __init__(self, source: FileContent) -> None:
        self._rows = source.content

    async def prepare(self) -> Prepared:
        return Prepared(len(self._rows))

    async def rows(self, prepared: Prepared, done: Set[int]) -> AsyncGenerator[Row, None]:
        for place, row in enumerate(self._rows):
            if place not in done:
                yield Row(place, row.item, row.sample)


class _File:
    def __init__(self, files: Files, principal: Principal, file_id: str, schema: ItemSchema, settings: EvalsSettings) -> None:
        self._files = files
        self._principal = principal
        self._file_id = file_id
        self._schema = schema
        self._settings = settings

    async def prepare(self) -> Prepared:
        """Every line is read, so that a run that costs something does not stumble over the last one."""
        count, wrong = 0, 0
        problems: list[str] = []
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                count += sum(bool(line) for _, line in batch)
                if count > self._settings.max_items_per_run:
                    raise too_many_items(self._settings)
                found = await asyncio.to_thread(self._problems, batch)
                wrong += len(found)
                problems += found[: _SHOWN_PROBLEMS - len(problems)]
        if wrong:
            more = f" And {wrong - len(problems)} more." if wrong > len(problems) else ""
            lines = "1 line" if wrong == 1 else f"{wrong} lines"
            raise JobFailed("invalid_file", f"{lines} can't be used. {' '.join(problems)}{more}", "data_source.source.id")
        if not count:
            raise no_items("the file has no lines")
        return Prepared(count)

    async def rows(self, prepared: Prepared, done: Set[int]) -> AsyncGenerator[Row, None]:
        place = -1
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                for _, line in batch:
                    if not line:
                        continue
                    place += 1
                    if place not in done:
                        item, sample = read_line(line)
                        yield Row(place, item, sample)

    def _problems(self, batch: Sequence[tuple[int, bytes]]) -> list[str]:
        checked = ((number, line_problem(line, self._schema)) for number, line in batch if line)
        return [f"Line {number}: {problem}." for number, problem in checked if problem is not None]

    async def _batches(self) -> AsyncGenerator[list[tuple[int, bytes]], None]:
        """Numbered lines, some at a time; empty ones are empty."""
        batch: list[tuple[int, bytes]] = []
        size_bytes = 0
        async with aclosing(self._lines()) as lines:
            async for number, line in _numbered(lines):
                batch.append((number, line.strip()))
                size_bytes += len(line)
                if len(batch) == _LINES_AT_A_TIME or size_bytes >= _BYTES_AT_A_TIME:
                    yield batch
                    batch, size_bytes = [], 0
        if batch:
            yield batch

    async def _lines(self) -> AsyncGenerator[bytes, None]:
        limit = self._settings.max_item_bytes
        try:
            file = await self._files.get(self._principal, self._file_id)
            if not file.size_bytes:
                return
            rest = b""
            async with aclosing(self._files.read(self._principal, file, 0, file.size_bytes)) as pieces:
                async for piece in pieces:
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        yield _bounded(line, limit)
                    _bounded(rest, limit)
            if rest:
                yield rest
        except NotFound as error:
            raise JobFailed("file_not_found", error.message, "data_source.source.id") from None


class _Stored:
    """Which completions is decided once, when the run begins; one that was deleted since is an error of its item."""

    def __init__(
        self,
        completions: StoredCompletions,
        principal: Principal,
        wanted: StoredCompletionsFilter,
        schema: ItemSchema,
        logs: dict[str, str],
        settings: EvalsSettings,
    ) -> None:
        self._completions = completions
        self._principal = principal
        self._limit = wanted.limit
        self._schema = schema
        self._settings = settings
        self._filter = Filter(
            wanted.model, logs | dict(wanted.metadata or {}), created_from=wanted.created_after, created_to=wanted.created_before
        )

    async def prepare(self) -> Prepared:
        most = self._settings.max_items_per_run
        limit = most + 1 if self._limit is None else min(self._limit, most + 1)
        ids = await self._completions.ids(self._principal, self._filter, "desc", limit)
        if len(ids) > most:
            raise too_many_items(self._settings)
        if not ids:
            raise no_items("no stored completion matches")
        return Prepared(len(ids), ids)

    async def rows(self, prepared: Prepared, done: Set[int]) -> AsyncGenerator[Row, None]:
        left = [(place, name) for place, name in enumerate(prepared.ids) if place not in done]
        for start in range(0, len(left), _STORED_AT_A_TIME):
            portion = left[start : start + _STORED_AT_A_TIME]
            found = {each.id: each for each in await self._completions.load(self._principal, [name for _, name in portion])}
            for place, name in portion:
                each = found.get(name)
                if each is None:
                    yield Row(place, {}, fault=f"the stored completion {name} was deleted")
                    continue
                decode = msgspec.json.decode
                row = stored_row(place, decode(each.request), decode(each.response), decode(each.metadata))
                if (problem := self._schema.problem(row.item)) is not None:
                    where, what = problem
                    row = Row(place, row.item, fault=f"'item{where}' of {name} does not fit the eval's item schema: {what}")
                yield row


def too_many_items(settings: EvalsSettings) -> JobFailed:
    return JobFailed("too_many_items", f"There are more than {settings.max_items_per_run} items.", "data_source.source")


def no_items(why: str) -> JobFailed:
    return JobFailed("no_items", f"There is nothing to evaluate: {why}.", "data_source.source")


def _bounded(line: bytes, limit_bytes: int) -> bytes:
    if len(line) > limit_bytes:
        raise JobFailed("invalid_file", f"A line is longer than {limit_bytes} bytes.", "data_source.source.id")
    return line


async def _numbered(lines: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    number = 0
    async for line in lines:
        number += 1
        yield number, line
