"""``/v1/chat/completions``: the stored ones, and their export to training files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Literal, cast

import msgspec
from pydantic import Field

from cluster.completions.export import Export
from cluster.completions.service import Filter, Order, PageQuery, StoredCompletions
from cluster.edges.bodies import UpdateStoredCompletion
from cluster.edges.http.disconnect import until_disconnect
from cluster.edges.http.exchange import Exchange
from cluster.edges.http.json_fields import read_fields
from cluster.edges.http.query import Query
from cluster.edges.http.routes import Access, Route
from cluster.files.model import File, Purpose
from cluster.files.service import Files
from cluster.identity.principal import Principal
from cluster.inference.requests.fields import Metadata, Strict

_ORDERS = ("asc", "desc")
_MAX_LIMIT = 100
_MAX_EXPORT = 10_000_000


class ExportStoredCompletions(Strict):
    """Which completions go into a file, and what the file is called."""

    model: Annotated[str, Field(max_length=256)] | None = None
    metadata: Metadata | None = None
    order: Literal["asc", "desc"] | None = None
    limit: Annotated[int, Field(ge=1, le=_MAX_EXPORT)] | None = None
    filename: Annotated[str, Field(min_length=1, max_length=255)] = "stored-completions.jsonl"


class StoredCompletionEndpoints:
    def __init__(self, completions: StoredCompletions, files: Files, *, keeping: bool = True) -> None:
        """``keeping``: whether further ones are stored; where not, requests for it are refused."""
        self.keeping = keeping
        self._completions = completions
        self._files = files

    def routes(self) -> list[Route]:
        root, access = "/v1/chat/completions", Access.ORGANIZATION
        one = f"{root}/{{completion_id}}"
        return [
            Route("GET", root, access, self.list, "List stored completions"),
            Route("GET", f"{root}/export", access, self.export, "Export stored completions as a training file"),
            Route(
                "POST",
                f"{root}/export",
                access,
                self.export_to_file,
                "Export stored completions to a file of /v1/files",
                ExportStoredCompletions.__name__,
            ),
            Route("GET", one, access, self.get, "Describe a stored completion"),
            Route("POST", one, access, self.update, "Replace a stored completion's metadata", UpdateStoredCompletion.__name__),
            Route("DELETE", one, access, self.delete, "Delete a stored completion"),
            Route("GET", f"{one}/messages", access, self.messages, "List the messages of a stored completion's request"),
        ]

    async def list(self, exchange: Exchange) -> None:
        query = Query(exchange)
        wanted, page = _filter(query), _page(query)
        query.end()
        await exchange.respond((await self._completions.page(exchange.caller, wanted, page)).to_json())

    async def get(self, exchange: Exchange, completion_id: str) -> None:
        Query(exchange).end()
        await exchange.respond(await self._completions.get(exchange.caller, completion_id))

    async def update(self, exchange: Exchange, completion_id: str) -> None:
        body = await read_fields(exchange, UpdateStoredCompletion)
        await exchange.respond(await self._completions.update(exchange.caller, completion_id, body.metadata or {}))

    async def delete(self, exchange: Exchange, completion_id: str) -> None:
        await self._completions.delete(exchange.caller, completion_id)
        await exchange.respond_object({"object": "chat.completion.deleted", "id": completion_id, "deleted": True})

    async def messages(self, exchange: Exchange, completion_id: str) -> None:
        query = Query(exchange)
        page = _page(query)
        query.end()
        await exchange.respond((await self._completions.messages(exchange.caller, completion_id, page)).to_json())

    async def export(self, exchange: Exchange) -> None:
        """JSON lines. With ``include_summary=true`` the last line is the summary, and no example."""
        query = Query(exchange)
        wanted, order = _filter(query), _order(query)
        limit = query.number("limit", 1, _MAX_EXPORT)
        with_summary = query.switch("include_summary")
        query.end()
        export = Export(self._completions, exchange.caller, wanted, order, limit)
        async with aclosing(export.lines()) as lines:
            await _send_lines(exchange, lines)
        tail = msgspec.json.encode(export.summary()) + b"\n" if with_summary else b""
        await exchange.send_body(tail, last=True)

    async def export_to_file(self, exchange: Exchange) -> None:
        """The file, of the purpose ``fine-tune``, and the summary."""
        body = await read_fields(exchange, ExportStoredCompletions)
        wanted = Filter(body.model, body.metadata or {})
        export = Export(self._completions, exchange.caller, wanted, body.order or "asc", body.limit)
        file = await until_disconnect(exchange, self._written(exchange.caller, export, body.filename))
        await exchange.respond_object({"object": "chat.completion.export", "file": file.to_json(), "summary": export.summary()})

    async def _written(self, principal: Principal, export: Export, filename: str) -> File:
        upload = await self._files.upload(principal)
        try:
            async with aclosing(export.lines()) as lines:
                async for chunk in lines:
                    await upload.write(chunk)
            return await upload.finish(filename=filename, purpose=Purpose.FINE_TUNE, expires_after_s=None)
        finally:
            await upload.close()


async def _send_lines(exchange: Exchange, lines: AsyncIterator[bytes]) -> None:
    """Everything but the end. The first lines are read before the status is sent, so that a failure has one of its own."""
    first = await anext(lines, b"")
    await exchange.start(
        200,
        [
            (b"content-type", b"application/jsonl"),
            (b"content-disposition", b'attachment; filename="stored-completions.jsonl"'),
            (b"x-content-type-options", b"nosniff"),
        ],
    )
    if first:
        await exchange.send_body(first, last=False)
    async for chunk in lines:
        await exchange.send_body(chunk, last=False)


def _filter(query: Query) -> Filter:
    return Filter(query.text("model"), query.pairs("metadata", max_pairs=16, max_key=64, max_value=512))


def _page(query: Query) -> PageQuery:
    limit = query.number("limit", 1, _MAX_LIMIT)
    return PageQuery(after=query.text("after"), limit=20 if limit is None else limit, order=_order(query))


def _order(query: Query) -> Order:
    return cast(Order, query.choice("order", _ORDERS) or "asc")
