"""Parts of chat messages that are no text, made ready before vLLM sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cluster.engine.contract import EngineRequest

Part = dict[str, Any]
MakeReady = Callable[[Part, str, str], Part]
"""From a part, its place (``messages.0.content.1.image_url``) and the request's salt to what vLLM is given instead.

Raises :class:`~cluster.engine.vllm.faults.BadPart` for one that can't be read.
"""


def has_media(request: EngineRequest, kinds: Mapping[str, MakeReady]) -> bool:
    """Whether a request may hold parts of these kinds: certain when it says no."""
    return any(b'"%b"' % kind.encode() in request.body for kind in kinds)


def ready(request: EngineRequest, kinds: Mapping[str, MakeReady]) -> EngineRequest:
    """The chat request with each part whose type is in ``kinds`` made ready. Belongs on a thread.

    Raises:
        BadPart: a part that can't be read, with its place.
        msgspec.DecodeError: the body is no JSON.
    """
    body = msgspec.json.decode(request.body, type=dict[str, Any])
    for at, message in enumerate(body.get("messages") or ()):
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, list):
            continue
        for index, part in enumerate(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind in kinds:
                content[index] = kinds[kind](part, f"messages.{at}.content.{index}.{kind}", request.cache_salt)
    return msgspec.structs.replace(request, body=msgspec.json.encode(body))
