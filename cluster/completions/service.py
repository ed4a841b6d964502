"""Stored completions as their organization's project sees them: list, get, change, delete. No query without a principal."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, and_, delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from cluster.completions.capture import tag_rows
from cluster.config.settings.storage import StoredCompletionsSettings
from cluster.errors import InvalidRequest, NotFound
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.tables import StoredCompletionRow, StoredCompletionTagRow

_ID = re.compile(r"chatcmpl-[0-9a-f]{32}")
_PAGE_BYTES = 64 << 20
"""Most that one page of a list may hold: it ends earlier with more. Completions are far smaller than their limit as a rule."""

_SCAN_PAGE = 500
_SCAN_ROWS = 50
_SCAN_BYTES = 8 << 20
"""How much of a long scan is in memory at a time."""

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which completions: those of ``model`` with all pairs of ``metadata``, kept between two moments (Unix seconds, inclusive)."""

    model: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_from: int | None = None
    created_to: int | None = None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """``after``: the id after which the page begins. ``max_bytes``: it ends earlier with more, but has one object in any case."""

    after: str | None = None
    limit: int = 20
    order: Order = "asc"
    max_bytes: int = _PAGE_BYTES


@dataclass(frozen=True, slots=True)
class Page:
    """``items``: objects as JSON, with their ids."""

    items: list[tuple[str, bytes]]
    has_more: bool

    def to_json(self) -> bytes:
        """OpenAI's list object."""
        ends = (self.items[0][0], self.items[-1][0]) if self.items else ("", "")
        return b'{"object":"list","data":[%b],"first_id":%b,"last_id":%b,"has_more":%b}' % (
            b",".join(item for _, item in self.items),
            msgspec.json.encode(ends[0]),
            msgspec.json.encode(ends[1]),
            b"true" if self.has_more else b"false",
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """One completion with its request and its metadata, all as JSON."""

    id: str
    request: bytes
    response: bytes
    metadata: bytes


class StoredCompletions:
    """Methods raise :class:`NotFound` for what does not exist, is past its retention or is not the caller's own, alike."""

    def __init__(self, database: Database, settings: StoredCompletionsSettings, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._settings = settings
        self._now = now

    async def page(self, principal: Principal, wanted: Filter, page: PageQuery) -> Page:
        """Completions in the order in which they were stored. Raises :class:`InvalidRequest` for an ``after`` that is not one."""
        async with self._database.session() as session:
            query, key = self._matching(principal, wanted)
            query = _ordered(query, key, page.order)
            if page.after is not None:
                query = _after(query, key, await self._place(session, principal, page.after), page.order)
            row = StoredCompletionRow
            found = (await session.execute(query.add_columns(row.id, row.size_bytes).limit(page.limit + 1))).all()
            ids = _within([(each.id, each.size_bytes) for each in found[: page.limit]], page.max_bytes)
            shown = select(row.id, row.response, row.metadata_json).where(row.id.in_(ids), *self._own(principal))
            bodies = {each.id: _shown(each.response, each.metadata_json) for each in (await session.execute(shown)).all()}
        # What was deleted between the two questions is left out.
        items = [(name, bodies[name]) for name in ids if name in bodies]
        return Page(items, has_more=len(found) > len(ids))

    async def get(self, principal: Principal, completion_id: str) -> bytes:
        """The completion, as JSON."""
        async with self._database.session() as session:
            row = await self._row(session, principal, completion_id)
            return _shown(row.response, row.metadata_json)

    async def update(self, principal: Principal, completion_id: str, metadata: Mapping[str, str]) -> bytes:
        """Replace the metadata; the completion, as JSON."""
        async with self._database.transaction() as session:
            row = await self._row(session, principal, completion_id, lock=True)
            tag = StoredCompletionTagRow
            await session.execute(delete(tag).where(tag.completion_id == row.id))
            tags = tag_rows(row.id, row.org_id, row.project_id, row.created_us, metadata)
            if tags:
                await session.execute(insert(tag), tags)
            row.metadata_json = msgspec.json.encode(metadata)
            return _shown(row.response, row.metadata_json)

    async def delete(self, principal: Principal, completion_id: str) -> None:
        async with self._database.transaction() as session:
            row = await self._row(session, principal, completion_id, lock=True)
            await session.execute(delete(StoredCompletionRow).where(StoredCompletionRow.id == row.id))

    async def messages(self, principal: Principal, completion_id: str, page: PageQuery) -> Page:
        """The messages of the request, each with the id ``<completion>-<place>``. Raises :class:`InvalidRequest` (``after``)."""
        async with self._database.session() as session:
            row = await self._row(session, principal, completion_id)
            request = msgspec.json.decode(row.request)
        numbered = [(f"{row.id}-{place}", message) for place, message in enumerate(request["messages"])]
        if page.order == "desc":
            numbered.reverse()
        if page.after is not None:
            places = [name for name, _ in numbered]
            if page.after not in places:
                raise _no_such_cursor()
            numbered = numbered[places.index(page.after) + 1 :]
        items = [(name, msgspec.json.encode(_message(name, message))) for name, message in numbered[: page.limit]]
        items = items[: len(_within([(name, len(message)) for name, message in items], page.max_bytes))]
        return Page(items, has_more=len(numbered) > len(items))

    async def scan(
        self, principal: Principal, wanted: Filter, order: Order = "asc", limit: int | None = None
    ) -> AsyncGenerator[list[Stored], None]:
        """All matching completions of this moment with their requests, a few at a time; what is deleted meanwhile is left out."""
        now_us = int(self._now() * 1_000_000)
        place: tuple[int, str] | None = None
        left = limit
        while left is None or left > 0:
            async with self._database.session() as session:
                query, key = self._matching(principal, wanted)
                row = StoredCompletionRow
                query = _ordered(query, key, order).where(key[0] <= now_us).add_columns(row.created_us, row.id, row.size_bytes)
                if place is not None:
                    query = _after(query, key, place, order)
                size = _SCAN_PAGE if left is None else min(left, _SCAN_PAGE)
                page = [(each.created_us, each.id, each.size_bytes) for each in (await session.execute(query.limit(size))).all()]
            for ids in _portions(page):
                yield await self.load(principal, ids)
            if len(page) < size:
                return
            place = page[-1][:2]
            left = None if left is None else left - len(page)

    async def ids(self, principal: Principal, wanted: Filter, order: Order, limit: int) -> list[str]:
        """The ids of what matches at this moment, at most ``limit``."""
        query, key = self._matching(principal, wanted)
        query = _ordered(query, key, order).add_columns(StoredCompletionRow.id).limit(limit)
        async with self._database.session() as session:
            return list(await session.scalars(query))

    async def load(self, principal: Principal, ids: Sequence[str]) -> list[Stored]:
        """The completions of these ids, in this order, without those that are gone."""
        row = StoredCompletionRow
        query = select(row.id, row.request, row.response, row.metadata_json).where(row.id.in_(ids), *self._own(principal))
        async with self._database.session() as session:
            rows = (await session.execute(query)).all()
        found = {each.id: Stored(each.id, each.request, each.response, each.metadata_json) for each in rows}
        return [found[name] for name in ids if name in found]

    # --- parts of the above -----------------------------------------------------------------------------------------------

    def _own(self, principal: Principal) -> tuple[Any, ...]:
        row = StoredCompletionRow
        return row.org_id == principal.org_id, row.project_id == principal.project_id, row.created_us > self._cutoff_us()

    def _cutoff_us(self) -> int:
        return int((self._now() - self._settings.retention_s) * 1_000_000)

    def _matching(self, principal: Principal, wanted: Filter) -> tuple[Select[Any], tuple[Any, Any]]:
        """A query without columns over what matches, and the columns that it is ordered by, through an index.

        It finds ids; what is read of them afterwards is asked for with the caller's scope again.
        """
        row = StoredCompletionRow
        if not wanted.metadata:
            query: Select[Any] = select().select_from(row).where(*self._own(principal), *_between(row.created_us, wanted))
            return (query if wanted.model is None else query.where(row.model == wanted.model)), (row.created_us, row.id)
        # The index of the first pair has the matches in order. Whatever else there is to know is looked up for each of them, by its
        # id: conditions on the scope there would make SQLite read the whole project instead.
        first, *others = wanted.metadata.items()
        tag = aliased(StoredCompletionTagRow)
        query = select().select_from(tag).join(row, row.id == tag.completion_id)
        query = query.where(tag.org_id == principal.org_id, tag.project_id == principal.project_id)
        query = query.where(tag.key == first[0], tag.value == first[1], tag.created_us > self._cutoff_us())
        query = query.where(*_between(tag.created_us, wanted))
        for name, value in others:
            other = aliased(StoredCompletionTagRow)
            query = query.join(other, and_(other.completion_id == tag.completion_id, other.key == name)).where(other.value == value)
        if wanted.model is not None:
            query = query.where(row.model == wanted.model)
        return query, (tag.created_us, tag.completion_id)

    async def _place(self, session: AsyncSession, principal: Principal, after: str) -> tuple[int, str]:
        row = StoredCompletionRow
        found = None
        if _ID.fullmatch(after):
            query = select(row.created_us).where(row.id == after, *self._own(principal))
            found = (await session.execute(query)).scalar_one_or_none()
        if found is None:
            raise _no_such_cursor()
        return found, after

    async def _row(
        self, session: AsyncSession, principal: Principal, completion_id: str, *, lock: bool = False
    ) -> StoredCompletionRow:
        row = None
        if _ID.fullmatch(completion_id):
            query = select(StoredCompletionRow).where(StoredCompletionRow.id == completion_id, *self._own(principal))
            row = (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
        if row is None:
            raise NotFound(
                f"There is no stored completion {completion_id[:100]!r}.",
                param="completion_id",
                code="completion_not_found",
            )
        return row


def _between(created_us: Any, wanted: Filter) -> list[Any]:
    bounds = []
    if wanted.created_from is not None:
        bounds.append(created_us >= wanted.created_from * 1_000_000)
    if wanted.created_to is not None:
        bounds.append(created_us < (wanted.created_to + 1) * 1_000_000)
    return bounds


def _ordered(query: Select[Any], key: tuple[Any, Any], order: Order) -> Select[Any]:
    return query.order_by(*(column.desc() if order == "desc" else column.asc() for column in key))


def _after(query: Select[Any], key: tuple[Any, Any], place: tuple[int, str], order: Order) -> Select[Any]:
    here = tuple_(*key)
    return query.where(here < place if order == "desc" else here > place)


def _within(sized: list[tuple[str, int]], max_bytes: int) -> list[str]:
    """The ids from the first on that are within the limit together; one in any case."""
    ids: list[str] = []
    for name, size_bytes in sized:
        max_bytes -= size_bytes
        if ids and max_bytes < 0:
            break
        ids.append(name)
    return ids


def _portions(page: list[tuple[int, str, int]]) -> list[list[str]]:
    portions: list[list[str]] = []
    size_bytes = 0
    for _, name, row_bytes in page:
        if not portions or size_bytes + row_bytes > _SCAN_BYTES or len(portions[-1]) >= _SCAN_ROWS:
            portions.append([])
            size_bytes = 0
        portions[-1].append(name)
        size_bytes += row_bytes
    return portions


def _no_such_cursor() -> InvalidRequest:
    return InvalidRequest("Invalid 'after': there is no such object in this list.", param="after", code="invalid_value")


def _shown(response: bytes, metadata_json: bytes) -> bytes:
    return b'%b,"metadata":%b}' % (response[:-1], metadata_json)


def _message(name: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of a request as OpenAI shows it: content as text, and its parts, if it had some."""
    content = message.get("content")
    shown: dict[str, Any] = {**message, "id": name, "refusal": message.get("refusal"), "content": content, "content_parts": None}
    if isinstance(content, list):
        shown["content"] = "".join(part["text"] for part in content if part["type"] == "text") or None
        shown["content_parts"] = [part for part in content if part["type"] in ("text", "image_url")]
    return shown
