"""One chat completion on its way into the store: request, answer and usage, as JSON, made off the request's path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from cluster.completions.assemble import assembled
from cluster.identity.principal import Principal
from cluster.store.frequent import TableRows
from cluster.store.group_commit import WriteRefused
from cluster.store.tables import StoredCompletionRow, StoredCompletionTagRow

DROPPED_IMAGES: Final = "dropped_images"
"""Our own key in a stored request: how many images were too large to be kept."""

_NOT_KEPT = ("store", "stream", "stream_options", "metadata", "cache_salt", DROPPED_IMAGES)
"""How the answer was to be delivered, what has a column of its own, and a salt, which is the client's secret."""

_SHOWN = (
    *("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "max_completion_tokens", "max_tokens"),
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort"),
)
"""Arguments of the request that are shown with its stored answer, as OpenAI does."""


class TooLarge(WriteRefused):
    """Request and answer together are over the limit."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request with ``store: true`` wants to have kept: its body as it came (valid), and its metadata."""

    body: Mapping[str, object] | bytes
    metadata: Mapping[str, str]


@dataclass(slots=True)
class Capture:
    """``answer``: the whole response object, or the chunks of a stream. ``usage``: OpenAI's object as JSON, for chunks.

    ``request_id``: the id in the answer's header. ``created_us``: Unix microseconds. ``max_bytes`` and ``max_image_bytes`` bound
    what is written.
    """

    id: str
    principal: Principal
    model: str
    request_id: str
    asked: Asked
    answer: bytes | Sequence[bytes]
    usage: bytes
    created_us: int
    max_bytes: int
    max_image_bytes: int
    written_bytes: int = field(default=0, init=False)

    @property
    def size_bytes(self) -> int:
        """About how much there is to work on: not what will be written, of which a stream's chunks are many times the size."""
        body = self.asked.body
        # A body that did not come as JSON text (gRPC) was small enough to be a message; what is in it is not counted again.
        request = len(body) if isinstance(body, bytes) else _text_bytes(body)
        return request + (len(self.answer) if isinstance(self.answer, bytes) else sum(map(len, self.answer)))

    def rows(self) -> TableRows:
        """Raises :class:`TooLarge`. Runs in another thread where there is much to do."""
        body = self.asked.body
        given: dict[str, Any] = msgspec.json.decode(body) if isinstance(body, bytes) else dict(body)
        request = {name: value for name, value in given.items() if name not in _NOT_KEPT and value is not None}
        dropped = drop_large_images(request, self.max_image_bytes)
        if dropped:
            request[DROPPED_IMAGES] = dropped
        shown = {name: request[name] for name in _SHOWN if name in request}
        if "user" in request:
            shown["input_user"] = request["user"]
        response = {**self._response(), "request_id": self.request_id, **shown}
        request_json, response_json = msgspec.json.encode(request), msgspec.json.encode(response)
        metadata_json = msgspec.json.encode(self.asked.metadata)
        self.written_bytes = len(request_json) + len(response_json) + len(metadata_json)
        if self.written_bytes > self.max_bytes:
            raise TooLarge(f"{self.written_bytes} bytes; the limit is {self.max_bytes}")
        caller = self.principal
        row = {
            "id": self.id,
            "org_id": caller.org_id,
            "project_id": caller.project_id,
            "key_id": caller.key_id,
            "model": self.model,
            "created_us": self.created_us,
            "size_bytes": self.written_bytes,
            "metadata_json": metadata_json,
            "request": request_json,
            "response": response_json,
        }
        tags = tag_rows(self.id, caller.org_id, caller.project_id, self.created_us, self.asked.metadata)
        rows: list[tuple[str, list[dict[str, object]]]] = [(StoredCompletionRow.__tablename__, [row])]
        return [*rows, (StoredCompletionTagRow.__tablename__, tags)] if tags else rows

    def _response(self) -> dict[str, Any]:
        if isinstance(self.answer, bytes):
            whole: dict[str, Any] = msgspec.json.decode(self.answer)
            return whole
        return {**assembled(self.answer), "usage": msgspec.json.decode(self.usage)}


def tag_rows(
    completion_id: str, org_id: str, project_id: str, created_us: int, metadata: Mapping[str, str]
) -> list[dict[str, object]]:
    """The rows by which a completion is found by its metadata."""
    scope = {"completion_id": completion_id, "org_id": org_id, "project_id": project_id, "created_us": created_us}
    return [{**scope, "key": key, "value": value} for key, value in metadata.items()]


def drop_large_images(request: dict[str, Any], max_image_bytes: int) -> int:
    """Take images over the limit, given as data URLs, out of the messages; how many there were. Changes ``request`` alone."""
    dropped = 0
    messages = []
    for message in request.get("messages", ()):
        content = message.get("content")
        if isinstance(content, list):
            kept = [part for part in content if not _is_large_image(part, max_image_bytes)]
            dropped += len(content) - len(kept)
            if len(kept) < len(content):
                message = {**message, "content": kept}
        messages.append(message)
    request["messages"] = messages
    return dropped


def _is_large_image(part: Any, max_image_bytes: int) -> bool:
    if not isinstance(part, dict) or part.get("type") != "image_url":
        return False
    url = part["image_url"]["url"]
    # Base64 writes three bytes in four characters.
    return isinstance(url, str) and url.startswith("data:") and len(url) * 3 // 4 > max_image_bytes


def _text_bytes(value: object) -> int:
    """About the size of a decoded body: its strings, which are what makes one large."""
    total = 0
    pending: list[object] = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            total += len(node)
        elif isinstance(node, Mapping):
            pending.extend(node.values())
        elif isinstance(node, list | tuple):
            pending.extend(node)
    return total
