"""``/v1/files``."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from typing import cast
from urllib.parse import quote

from cluster.config.settings.storage import FilesSettings
from cluster.edges.http import multipart
from cluster.edges.http.exchange import Exchange, Header
from cluster.edges.http.file_form import receive
from cluster.edges.http.query import Query
from cluster.edges.http.routes import Access, Route
from cluster.errors import RangeNotSatisfiable, RequestTimeout, RequestTooLarge
from cluster.files.model import File
from cluster.files.service import Files, Order

MAX_LIMIT = 10_000
_FORM_BYTES = 64 << 10
"""What a form may have beside its content."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class FileEndpoints:
    def __init__(self, files: Files, settings: FilesSettings, idle_timeout_s: float) -> None:
        """``idle_timeout_s``: how long a client may send nothing of an upload."""
        self._files = files
        self._settings = settings
        self._idle_timeout_s = idle_timeout_s

    def routes(self) -> list[Route]:
        root, access = "/v1/files", Access.ORGANIZATION
        one = f"{root}/{{file_id}}"
        return [
            Route("POST", root, access, self.create, "Upload a file"),
            Route("GET", root, access, self.list, "List files"),
            Route("GET", one, access, self.get, "Describe a file"),
            Route("DELETE", one, access, self.delete, "Delete a file"),
            Route("GET", f"{one}/content", access, self.content, "Read a file's content"),
        ]

    async def create(self, exchange: Exchange) -> None:
        multipart.boundary_of(exchange)
        announced = exchange.header("content-length")
        limit_bytes = self._settings.max_file_bytes
        if announced is not None and announced.isdecimal() and int(announced[:20]) > limit_bytes + _FORM_BYTES:
            raise RequestTooLarge(f"The file is larger than the limit of {limit_bytes} bytes.", param="file", code="file_too_large")
        upload = await self._files.upload(exchange.caller)
        try:
            async with asyncio.timeout(self._settings.upload_timeout_s):
                async with aclosing(multipart.parts(exchange, self._idle_timeout_s)) as events:
                    form = await receive(events, upload)
            file = await upload.finish(filename=form.filename, purpose=form.purpose, expires_after_s=form.expires_after_s)
        except TimeoutError:
            raise RequestTimeout(f"The file did not arrive within {self._settings.upload_timeout_s:g} seconds.") from None
        finally:
            await upload.close()
        await exchange.respond_object(file.to_json())

    async def list(self, exchange: Exchange) -> None:
        query = Query(exchange)
        purpose, after = query.text("purpose", 64), query.text("after")
        limit = query.number("limit", 1, MAX_LIMIT)
        order = cast(Order, query.choice("order", ("asc", "desc")) or "desc")
        query.end()
        page = await self._files.page(
            exchange.caller, purpose=purpose, after=after, limit=MAX_LIMIT if limit is None else limit, order=order
        )
        await exchange.respond_object(page.to_json())

    async def get(self, exchange: Exchange, file_id: str) -> None:
        await exchange.respond_object((await self._files.get(exchange.caller, file_id)).to_json())

    async def delete(self, exchange: Exchange, file_id: str) -> None:
        await self._files.delete(exchange.caller, file_id)
        await exchange.respond_object({"id": file_id, "object": "file", "deleted": True})

    async def content(self, exchange: Exchange, file_id: str) -> None:
        """All of it, or the one range that was asked for."""
        file = await self._files.get(exchange.caller, file_id)
        start, end, headers = _wanted(exchange, file)
        if exchange.method == "HEAD" or start == end:
            await exchange.start(206 if headers else 200, [*_headers(file, end - start), *headers])
            await exchange.send_body(b"", last=True)
            return
        async with aclosing(self._files.read(exchange.caller, file, start, end)) as pieces:
            first = await anext(pieces)  # before the status, so that a failure has one of its own
            await exchange.start(206 if headers else 200, [*_headers(file, end - start), *headers])
            await exchange.send_body(first, last=False)
            async for piece in pieces:
                await exchange.send_body(piece, last=False)
        await exchange.send_body(b"", last=True)


def _wanted(exchange: Exchange, file: File) -> tuple[int, int, list[Header]]:
    """From where to where, and the header of a part. What is no single range of bytes is ignored, as HTTP has it."""
    size = file.size_bytes
    match = _RANGE.fullmatch(exchange.header("range") or "")
    if match is None or not (match[1] or match[2]):
        return 0, size, []
    if match[1]:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return 0, size, []
    else:
        start, end = max(0, size - int(match[2])), size
    if start >= end:
        exchange.extra_headers.append((b"content-range", b"bytes */%d" % size))
        raise RangeNotSatisfiable(f"The file has {size} bytes: the range that was asked for is not in it.")
    return start, end, [(b"content-range", b"bytes %d-%d/%d" % (start, end - 1, size))]


def _headers(file: File, length: int) -> list[Header]:
    """Whatever is in the file, no browser is to take it for a page of ours."""
    return [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(length).encode()),
        (b"content-disposition", f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}".encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"accept-ranges", b"bytes"),
        (b"etag", f'"{file.sha256}"'.encode()),
    ]
