"""One answer of a model as it streams in: its pieces, and at the end its cost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cluster.cli.client import ClusterClient, error_text
from cluster.cli.output import CommandError
from cluster.cli.sse import DONE, events

#: Tokens that came within less say nothing of a speed.
_SHORTEST_MEASURED_S = 0.1


class Part(StrEnum):
    REASONING = "reasoning"
    CONTENT = "content"
    TOOL_CALL = "tool call"


@dataclass(slots=True)
class Answer:
    """What has arrived so far. Times are seconds since the request was sent; usage is known once the answer is complete."""

    model: str
    content: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    first_token_s: float | None = None
    last_token_s: float | None = None

    @property
    def cached_tokens(self) -> int | None:
        details = self.usage.get("prompt_tokens_details")
        return details.get("cached_tokens") if isinstance(details, dict) else None

    @property
    def tokens_per_s(self) -> float | None:
        """Decode speed: tokens after the first, over the time they took. ``None`` when they came at once, or there are none."""
        tokens = self.usage.get("completion_tokens")
        if not isinstance(tokens, int) or tokens < 2 or self.first_token_s is None or self.last_token_s is None:
            return None
        elapsed_s = self.last_token_s - self.first_token_s
        return (tokens - 1) / elapsed_s if elapsed_s >= _SHORTEST_MEASURED_S else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "content": self.content,
            "reasoning": self.reasoning or None,
            "finish_reason": self.finish_reason,
            "usage": self.usage or None,
            "ttft_s": _rounded(self.first_token_s),
            "tokens_per_s": _rounded(self.tokens_per_s),
        }

    def summary(self) -> str:
        """One line: ``12 prompt tokens, 0 cached · 20 answer tokens · first token 0.15 s · 75 tok/s``."""
        parts = []
        if self.usage:
            cached = f", {self.cached_tokens} cached" if self.cached_tokens is not None else ""
            parts += [
                f"{self.usage.get('prompt_tokens')} prompt tokens{cached}",
                f"{self.usage.get('completion_tokens')} answer tokens",
            ]
        if self.first_token_s is not None:
            parts.append(f"first token {self.first_token_s:.2f} s")
        if self.tokens_per_s is not None:
            parts.append(f"{self.tokens_per_s:.0f} tok/s")
        if self.finish_reason not in (None, "stop"):
            parts.append(f"ended by {self.finish_reason}")
        return " · ".join(parts)


def stream_answer(
    client: ClusterClient, body: dict[str, Any], answer: Answer, clock: Callable[[], float] = time.perf_counter
) -> Generator[tuple[Part, str], None, None]:
    """Ask, and yield the answer's pieces as they arrive, filling ``answer``.

    Raises :class:`CommandError` for whatever goes wrong, also in the middle: what had arrived until then is in ``answer``.
    Closing the iterator hangs up.
    """
    request = {**body, "stream": True, "stream_options": {"include_usage": True}}
    started = clock()
    with client.stream("/v1/chat/completions", request) as response:
        for event in events(_lines(response.iter_text())):
            if event == DONE:
                return
            for part, text in _pieces(_chunk(event), answer):
                answer.last_token_s = clock() - started
                if answer.first_token_s is None:
                    answer.first_token_s = answer.last_token_s
                yield part, text
    raise CommandError("the answer broke off before its end", next_step="Ask again; the cluster's log may tell why.")


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    """Lines of the event stream. Only CR and LF end a line: JSON text may hold other line separators of Unicode."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).replace("\r\n", "\n").split("\n")
        yield from lines


def _chunk(event: str) -> dict[str, Any]:
    try:
        chunk = json.loads(event)
    except ValueError:
        chunk = None
    if not isinstance(chunk, dict):
        raise CommandError("the cluster sent an event that is no JSON object")
    message, code = error_text(chunk)
    if "error" in chunk:
        raise CommandError(
            f"the answer broke off: {message or 'unknown error'}{f' ({code})' if code else ''}", next_step="Ask again."
        )
    return chunk


def _pieces(chunk: dict[str, Any], answer: Answer) -> Iterator[tuple[Part, str]]:
    if isinstance(chunk.get("usage"), dict):
        answer.usage = chunk["usage"]
    for choice in chunk.get("choices") or []:
        delta = choice.get("delta") or {}
        if reasoning := delta.get("reasoning") or delta.get("reasoning_content"):
            answer.reasoning += reasoning
            yield Part.REASONING, reasoning
        if content := delta.get("content"):
            answer.content += content
            yield Part.CONTENT, content
        for call in delta.get("tool_calls") or []:
            function = call.get("function") or {}
            if text := f"{function.get('name') or ''}{function.get('arguments') or ''}":
                yield Part.TOOL_CALL, text
        answer.finish_reason = choice.get("finish_reason") or answer.finish_reason


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
