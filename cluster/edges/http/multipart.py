"""Bodies of the type multipart/form-data, while they arrive: nothing is held but the piece that came last."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from cluster.edges.http.exchange import Exchange
from cluster.errors import InvalidRequest, UnsupportedMediaType

_MAX_NAME = 256


@dataclass(frozen=True, slots=True)
class PartBegin:
    """``filename``: of a part that is a file."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    pass


Event = PartBegin | PartData | PartEnd


@dataclass
class _Parts:
    """Collects what the parser calls back with."""

    events: list[Event] = field(default_factory=list)
    ended: bool = False
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""

    def on_part_begin(self) -> None:
        self._disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or not name:
            raise InvalidRequest("A part of the form has no name.", code="invalid_form")
        filename = options.get(b"filename")
        shown = None if filename is None else filename.decode("utf-8", "replace")
        self.events.append(PartBegin(name[:_MAX_NAME], shown))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.events.append(PartData(data[start:end]))

    def on_part_end(self) -> None:
        self.events.append(PartEnd())

    def on_end(self) -> None:
        self.ended = True


def boundary_of(exchange: Exchange) -> bytes:
    """What separates the parts. Raises :class:`UnsupportedMediaType` for a body of another type, :class:`InvalidRequest`."""
    kind, options = parse_options_header(exchange.header("content-type") or "")
    if kind != b"multipart/form-data":
        shown = kind.decode("latin-1")[:100]
        raise UnsupportedMediaType(f"Content-Type must be 'multipart/form-data', not '{shown}'.")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= _MAX_NAME:
        raise InvalidRequest("The Content-Type of the form names no boundary, or one that is too long.", code="invalid_form")
    if (exchange.header("content-encoding") or "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed request bodies are not supported.")
    return boundary


async def parts(exchange: Exchange, idle_timeout_s: float, max_bytes: int | None = None) -> AsyncGenerator[Event, None]:
    """The parts of the body in their order. ``max_bytes``: of all of it; ``None`` where the caller counts.

    Raises :class:`InvalidRequest` for what is no form, or ends too early, :class:`~cluster.errors.RequestTooLarge`.
    """
    collected = _Parts()
    callbacks = {name: getattr(collected, name) for name in dir(collected) if name.startswith("on_")}
    parser = MultipartParser(boundary_of(exchange), callbacks)  # type: ignore[arg-type]  # a typed dictionary of just these
    async for chunk in exchange.body_chunks(idle_timeout_s, max_bytes):
        try:
            parser.write(chunk)
        except MultipartParseError:
            raise InvalidRequest("The request body is not valid multipart/form-data.", code="invalid_form") from None
        events, collected.events = collected.events, []
        for event in events:
            yield event
    if not collected.ended:
        raise InvalidRequest("The request body ends before its form does.", code="invalid_form")
