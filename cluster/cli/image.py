"""Images on the command line: files become data URLs, URLs go as they are."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from cluster.cli.output import CommandError, ExitCode

_BEGINNINGS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp"}


def image_part(named: str) -> dict[str, Any]:
    """An ``image_url`` part for a file or a URL. Raises :class:`CommandError`."""
    if named.startswith(("https://", "http://", "data:")):
        return _part(named)
    try:
        data = Path(named).expanduser().read_bytes()
    except OSError as error:
        raise CommandError(f"{named} can't be read: {error.strerror}", exit_code=ExitCode.USAGE) from error
    kind = next((kind for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)), None)
    if kind is None:
        raise CommandError(f"{named} is none of JPEG, PNG, WEBP and GIF", exit_code=ExitCode.USAGE)
    return _part(f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


def _part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}
