"""From the chunks of a streamed chat answer to the object that an unstreamed one would have been."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

_TEXTS = ("content", "refusal", "reasoning", "reasoning_content")
_HEAD = ("id", "created", "model", "system_fingerprint", "service_tier")


class _Choice:
    def __init__(self, index: int) -> None:
        self.index = index
        self.texts: dict[str, list[str]] = {}
        self.calls: dict[int, dict[str, Any]] = {}
        self.logprobs: dict[str, list[Any]] | None = None
        self.finish_reason: str | None = None

    def add(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        for name in _TEXTS:
            if delta.get(name) is not None:
                self.texts.setdefault(name, []).append(delta[name])
        for call in delta.get("tool_calls") or ():
            self._add_call(call)
        if choice.get("logprobs"):
            self.logprobs = self.logprobs or {}
            for name, tokens in choice["logprobs"].items():
                if tokens:
                    self.logprobs.setdefault(name, []).extend(tokens)
        self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def _add_call(self, call: dict[str, Any]) -> None:
        known = self.calls.setdefault(
            call.get("index", 0), {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        known["id"] = call.get("id") or known["id"]
        function = call.get("function") or {}
        known["function"]["name"] = function.get("name") or known["function"]["name"]
        known["function"]["arguments"] += function.get("arguments") or ""

    def whole(self) -> dict[str, Any]:
        text = {name: "".join(parts) for name, parts in self.texts.items()}
        # A stream of tool calls alone often starts with an empty content, where a whole answer has none.
        content = None if self.calls and not text.get("content") else text.get("content")
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": text.get("refusal")}
        message.update((name, text[name]) for name in ("reasoning", "reasoning_content") if name in text)
        if self.calls:
            message["tool_calls"] = [self.calls[index] for index in sorted(self.calls)]
        logprobs = None if self.logprobs is None else {"content": None, "refusal": None, **self.logprobs}
        return {"index": self.index, "message": message, "logprobs": logprobs, "finish_reason": self.finish_reason or "stop"}


def assembled(chunks: Iterable[bytes]) -> dict[str, Any]:
    """A ``chat.completion`` object without usage. Raises ``msgspec.DecodeError``, ``ValueError`` for what is no chat stream."""
    head: dict[str, Any] = {}
    choices: dict[int, _Choice] = {}
    for payload in chunks:
        chunk = msgspec.json.decode(payload)
        for name in _HEAD:
            if chunk.get(name) is not None:
                head.setdefault(name, chunk[name])
        for choice in chunk.get("choices", ()):
            index = choice["index"]
            if index not in choices:
                choices[index] = _Choice(index)
            choices[index].add(choice)
    if "id" not in head:
        raise ValueError("there is no chunk")
    return {**head, "object": "chat.completion", "choices": [choices[index].whole() for index in sorted(choices)]}
