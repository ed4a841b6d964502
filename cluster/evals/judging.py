"""Asking a model for a verdict: a JSON answer of a given shape, asked again when it is unusable or the cluster is busy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import msgspec

from cluster.errors import OssatureError, RateLimited
from cluster.evals.asking import Ask, Question, Reply
from cluster.evals.grade import Fault, GradingFailed, ModelUsage, added_usage

VERDICT: Final = "verdict"
"""The one key of the answers that are asked for."""

_SHOWN_CHARS: Final = 200
_FIRST_DELAY_S: Final = 0.5

T = TypeVar("T")
Read = Callable[[object], T]
"""Makes the value under ``verdict`` into what the grader needs; raises ``ValueError``, whose text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Judge:
    """``attempts``: questions per item at most. ``max_delay_s``: longest wait before asking a busy cluster again."""

    ask: Ask
    attempts: int = 3
    max_delay_s: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def verdict(self, question: Question, schema: Mapping[str, Any], read: Read[T]) -> tuple[T, tuple[ModelUsage, ...]]:
        """Ask until an answer can be read.

        Another attempt gets another seed, where the question has one: the same one would give the same answer.

        Raises:
            GradingFailed: the model refuses, its answers can't be read, or the cluster does not answer; with all tokens used.
        """
        shaped = replace(question, options={**question.options, "response_format": _format(schema)})
        usages: list[ModelUsage] = []
        failure: GradingFailed | None = None
        for attempt in range(self.attempts):
            try:
                reply = await self.ask(_with_seed(shaped, attempt))
            except OssatureError as error:
                failure = GradingFailed(Fault.MODEL_SERVER, f"{question.model}: {error.message}", kind=error.code or error.type)
                if not may_pass(error):
                    break
                if attempt + 1 < self.attempts:
                    await self.sleep(min(error.retry_after_s or _FIRST_DELAY_S * 2**attempt, self.max_delay_s))
                continue
            usages.append(ModelUsage.of(question.model, reply.usage))
            try:
                return _read(reply, read), added_usage(usages)
            except GradingFailed as error:
                failure = error
                if error.fault is Fault.MODEL_REFUSAL:
                    break
        assert failure is not None
        raise GradingFailed(failure.fault, failure.message, kind=failure.kind, usage=added_usage(usages))


def _format(schema: Mapping[str, Any]) -> dict[str, Any]:
    shape = {"type": "object", "properties": {VERDICT: dict(schema)}, "required": [VERDICT], "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": VERDICT, "strict": True, "schema": shape}}


def _with_seed(question: Question, attempt: int) -> Question:
    seed = question.options.get("seed")
    return question if seed is None or attempt == 0 else replace(question, options={**question.options, "seed": seed + attempt})


def may_pass(error: OssatureError) -> bool:
    """Whether the same question may succeed later."""
    return error.status >= 500 or isinstance(error, RateLimited)


def _read(reply: Reply, read: Read[T]) -> T:
    if reply.refusal is not None:
        raise GradingFailed(Fault.MODEL_REFUSAL, f"the model refused: {_shown(reply.refusal)}")
    if reply.finish_reason == "length":
        raise GradingFailed(Fault.MODEL_PARSE, "the model's answer was cut off: it reached its token limit", kind="length")
    try:
        answer = msgspec.json.decode(reply.text or "", type=dict[str, Any])
        return read(answer[VERDICT])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError, KeyError):
        raise GradingFailed(
            Fault.MODEL_PARSE, f"the model's answer is no JSON object with '{VERDICT}': {_shown(reply.text or '')}"
        ) from None
    except ValueError as error:
        raise GradingFailed(Fault.MODEL_PARSE, f"the model's verdict is unusable: {error}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")


def instructed(messages: Sequence[Mapping[str, Any]], instruction: str) -> list[Mapping[str, Any]]:
    """A grader's own messages with the required form of the answer told first.

    It joins a leading system or developer message: many chat templates take one such message, and only at the start.
    """
    first = messages[0]
    if first["role"] in ("system", "developer") and isinstance(first["content"], str):
        return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]
