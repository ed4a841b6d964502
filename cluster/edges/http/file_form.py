"""The form of ``POST /v1/files``: ``file``, ``purpose`` and ``expires_after``, in whatever order they come."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from cluster.edges.http.multipart import Event, PartBegin, PartData, PartEnd
from cluster.errors import InvalidRequest
from cluster.files.model import REFUSED_PURPOSES, UPLOADED_PURPOSES, Purpose
from cluster.files.upload import Upload
from cluster.inference.requests import problems

MAX_FIELD_BYTES = 1024
MIN_EXPIRY_S, MAX_EXPIRY_S = 3600, 2_592_000
_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"
_FIELDS = ("purpose", _ANCHOR, _SECONDS)


@dataclass(frozen=True, slots=True)
class FileForm:
    """What came beside the content."""

    filename: str
    purpose: Purpose
    expires_after_s: int | None


async def receive(events: AsyncIterator[Event], upload: Upload) -> FileForm:
    """Write the part ``file`` to ``upload`` as it comes. Fields that come before the content are checked before it is read.

    Raises :class:`InvalidRequest` with the field's name, and what writing raises.
    """
    fields: dict[str, str] = {}
    filename: str | None = None
    name, value = "", bytearray()
    async for event in events:
        match event:
            case PartBegin("file", given):
                if filename is not None:
                    raise problems.invalid("file", "it was given more than once.")
                if given is None:
                    raise problems.wrong_type("file", "a file with a filename", "text")
                check(fields, complete=False)
                name, filename = "file", given
            case PartBegin(given_name, _):
                if given_name not in _FIELDS:
                    raise problems.unrecognized([given_name])
                if given_name in fields:
                    raise problems.invalid(given_name, "it was given more than once.")
                name, value = given_name, bytearray()
            case PartData(data) if name == "file":
                await upload.write(data)
            case PartData(data):
                value += data
                if len(value) > MAX_FIELD_BYTES:
                    raise problems.invalid(name, f"it is longer than {MAX_FIELD_BYTES} bytes.")
            case PartEnd() if name != "file":
                fields[name] = value.decode("utf-8", "replace")
    if filename is None:
        raise problems.missing("file")
    purpose, expires_after_s = check(fields, complete=True)
    assert purpose is not None
    return FileForm(filename, purpose, expires_after_s)


def check(fields: dict[str, str], *, complete: bool) -> tuple[Purpose | None, int | None]:
    """Purpose and expiry in seconds. ``complete``: no field will follow. Raises :class:`InvalidRequest`."""
    purpose = _purpose(fields["purpose"]) if "purpose" in fields else None
    if purpose is None and complete:
        raise problems.missing("purpose")
    anchor, seconds = fields.get(_ANCHOR), fields.get(_SECONDS)
    if anchor is not None and anchor != "created_at":
        raise problems.wrong_value("expires_after.anchor", anchor, ["created_at"])
    expires_after_s = None if seconds is None else _seconds(seconds)
    if complete and (anchor is None) != (seconds is None):
        raise problems.missing("expires_after.anchor" if anchor is None else "expires_after.seconds")
    return purpose, expires_after_s


def _purpose(text: str) -> Purpose:
    if text in REFUSED_PURPOSES:
        raise problems.unsupported_value("purpose", REFUSED_PURPOSES[text])
    try:
        return Purpose(text)
    except ValueError:
        raise problems.wrong_value("purpose", text, UPLOADED_PURPOSES) from None


def _seconds(text: str) -> int:
    param = "expires_after.seconds"
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise problems.wrong_type(param, "an integer", text)
    seconds = int(text)
    if seconds > MAX_EXPIRY_S:
        raise problems.too_high(param, "integer", MAX_EXPIRY_S, seconds)
    if seconds < MIN_EXPIRY_S:
        raise InvalidRequest(
            f"Invalid '{param}': integer below minimum value. Expected a value >= {MIN_EXPIRY_S}, but got {seconds} instead.",
            param=param,
            code="integer_below_min_value",
        )
    return seconds
