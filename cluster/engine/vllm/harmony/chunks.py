"""Chunks of a chat stream, written as bytes.

Nearly every chunk of a stream has one piece of text between two constant pieces of JSON; only those with more to them are built
from objects. The shape is the one that :mod:`cluster.engine.vllm.payloads` makes of vLLM's chunks: OpenAI's, and ``reasoning``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cluster.engine.vllm.harmony.deltas import Delta, ToolCallDelta
from cluster.engine.vllm.payloads import finish_reason_shown

_TAIL: Final = b'},"logprobs":null,"finish_reason":null}]}'

_encode = msgspec.json.Encoder().encode


class ChoiceWriter:
    """Writes the chunks of one choice. ``created`` is in Unix seconds.

    ``hides_reasoning``: the request asked for none; vLLM then writes a null in its place. ``parallel_calls``: off, only the first
    tool call is shown.
    """

    def __init__(
        self, *, request_id: str, created: int, model: str, index: int, hides_reasoning: bool, parallel_calls: bool
    ) -> None:
        self._hides_reasoning = hides_reasoning
        self._parallel_calls = parallel_calls
        self._head = b'{"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":[{"index":%d,"delta":' % (
            _encode(request_id),
            created,
            _encode(model),
            index,
        )
        self._content_head = self._head + b'{"content":'
        self._content_tail = (b',"reasoning":null' if hides_reasoning else b"") + _TAIL
        self._reasoning_head = self._head + b'{"reasoning":'

    def first(self, role: str) -> bytes:
        """The chunk that opens the choice."""
        return b'%b{"role":%b,"content":"","refusal":null%b' % (self._head, _encode(role), _TAIL)

    def middle(self, delta: Delta) -> bytes | None:
        """A chunk that is not the last; ``None`` when there is nothing to tell."""
        if delta.tool_calls:
            return self._whole(self._fields(delta), None)
        if delta.content:
            if not delta.reasoning or self._hides_reasoning:
                return self._content_head + _encode(delta.content) + self._content_tail
            return self._whole(self._fields(delta), None)
        if delta.reasoning and not self._hides_reasoning:
            return self._reasoning_head + _encode(delta.reasoning) + _TAIL
        return None

    def last(self, delta: Delta, finish_reason: str) -> bytes:
        """The chunk that ends the choice, with whatever came at the end."""
        fields = self._fields(delta)
        return self._whole({name: value for name, value in fields.items() if value is not None}, finish_reason_shown(finish_reason))

    def _fields(self, delta: Delta) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if delta.content:
            fields["content"] = delta.content
        if self._hides_reasoning:
            fields["reasoning"] = None
        elif delta.reasoning:
            fields["reasoning"] = delta.reasoning
        if calls := [_call(call) for call in delta.tool_calls if self._parallel_calls or call.index == 0]:
            fields["tool_calls"] = calls
        return fields

    def _whole(self, fields: dict[str, Any], finish_reason: str | None) -> bytes:
        return b'%b%b,"logprobs":null,"finish_reason":%b}]}' % (self._head, _encode(fields), _encode(finish_reason))


def _call(call: ToolCallDelta) -> dict[str, Any]:
    if call.id is None:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    return {
        "id": call.id,
        "type": "function",
        "index": call.index,
        "function": {"name": call.name, "arguments": call.arguments},
    }
