"""A small form with its files, held in memory within bounds: what is too large is refused as soon as it is, and never held."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

from cluster.edges.http.exchange import Exchange
from cluster.edges.http.multipart import PartBegin, PartData, parts
from cluster.errors import InvalidRequest, RequestTimeout, RequestTooLarge

MAX_FIELDS = 512
MAX_TEXT_BYTES = 128 << 10
"""All texts of a form together, names included."""
_FRAMING_BYTES = 256 << 10
"""Boundaries and headers of the parts, beside what is in them."""


@dataclass(frozen=True, slots=True)
class Form:
    """``texts``: by name, in order; ``files``: contents by name. What files are called says nothing of what they are."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[bytes]] = field(default_factory=dict)


async def read_form(exchange: Exchange, *, max_file_bytes: int, timeout_s: float) -> Form:
    """``max_file_bytes``: of all files together. ``timeout_s``: until all of it is here.

    Raises 400, 408, 413 and 415 errors, and :class:`~cluster.edges.http.exchange.ClientGone`.
    """
    reader = _FormReader(max_file_bytes)
    most = max_file_bytes + MAX_TEXT_BYTES + _FRAMING_BYTES
    try:
        async with asyncio.timeout(timeout_s), aclosing(parts(exchange, timeout_s, most)) as events:
            async for event in events:
                if isinstance(event, PartBegin):
                    reader.begin(event)
                elif isinstance(event, PartData):
                    reader.data(event.data)
                else:
                    reader.end()
    except TimeoutError:
        raise RequestTimeout(f"The request body did not arrive within {timeout_s:g} seconds.") from None
    return reader.form


class _FormReader:
    def __init__(self, max_file_bytes: int) -> None:
        self.form = Form()
        self._max_file_bytes = max_file_bytes
        self._file_bytes = self._text_bytes = self._parts = 0
        self._name = ""
        self._is_file = False
        self._content = bytearray()

    def begin(self, part: PartBegin) -> None:
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise RequestTooLarge(f"A form must not have more than {MAX_FIELDS} fields.")
        self._name, self._is_file, self._content = part.name, part.filename is not None, bytearray()
        self._count_text(len(part.name))

    def data(self, data: bytes) -> None:
        if self._is_file:
            self._file_bytes += len(data)
            if self._file_bytes > self._max_file_bytes:
                raise RequestTooLarge(f"The file is larger than the limit of {self._max_file_bytes} bytes.", param=self._name[:100])
        else:
            self._count_text(len(data))
        self._content += data

    def end(self) -> None:
        content, self._content = bytes(self._content), bytearray()
        if self._is_file:
            self.form.files.setdefault(self._name, []).append(content)
            return
        shown = self._name[:100]
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidRequest(f"The field '{shown}' is not valid UTF-8.", param=shown, code="invalid_value") from None
        if "\0" in text:
            raise InvalidRequest(f"The field '{shown}' holds a NUL character.", param=shown, code="invalid_value")
        self.form.texts.setdefault(self._name, []).append(text)

    def _count_text(self, size: int) -> None:
        self._text_bytes += size
        if self._text_bytes > MAX_TEXT_BYTES:
            raise RequestTooLarge(f"The texts of the form are larger than the limit of {MAX_TEXT_BYTES} bytes.")
