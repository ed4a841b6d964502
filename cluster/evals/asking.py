"""How graders ask a model: one small interface, and its implementation on the cluster's own inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from cluster.errors import EngineFailed
from cluster.identity.principal import Principal
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.service import Call, Inference
from cluster.inference.usage import Usage


@dataclass(frozen=True, slots=True)
class Question:
    """``messages`` and ``options`` (temperature, response_format, …) are those of a chat completion request."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """``refusal``: why the model would not answer. ``finish_reason``, ``tool_calls``: as in a chat completion."""

    text: str | None
    usage: Usage
    refusal: str | None = None
    finish_reason: str | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()


class Ask(Protocol):
    async def __call__(self, question: Question) -> Reply:
        """Ask once. Raises :class:`~cluster.errors.OssatureError`."""
        ...


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    choices: list[_Choice]


@dataclass(frozen=True, slots=True)
class InferenceAsk:
    """Asks on behalf of ``principal``: its rights, limits, cache isolation and ledger hold as for any other request of it.

    ``timeout_s``: of one question. ``edge``: under which name the requests are counted.
    """

    inference: Inference
    principal: Principal
    trace_id: str
    timeout_s: float
    edge: str = "jobs"

    async def __call__(self, question: Question) -> Reply:
        request = ChatCompletionRequest.parse({"model": question.model, "messages": list(question.messages), **question.options})
        call = Call(edge=self.edge, trace_id=self.trace_id, timeout_s=self.timeout_s)
        completion = await self.inference.complete(self.principal, request, call)
        try:
            body = msgspec.json.decode(completion.body, type=_Body)
        except msgspec.MsgspecError as error:
            raise EngineFailed(f"The engine's answer has an unexpected shape: {error}") from error
        if not body.choices:
            raise EngineFailed("The engine's answer has no choice.")
        choice = body.choices[0]
        message = choice.message
        return Reply(message.content, completion.usage, message.refusal, choice.finish_reason, tuple(message.tool_calls or ()))
