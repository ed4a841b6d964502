"""The ``sample`` of an output item: what went to the model and what came back, in the contract's shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.evals.asking import Reply
from cluster.evals.case import sample_of
from cluster.evals.grade import ModelUsage


@dataclass(frozen=True, slots=True)
class Sample:
    """``namespace``: what templates and graders in Python see of it; empty where there is no answer.

    ``fault``: code and message of what kept the model from answering. ``usage``: what this run spent on it.
    """

    namespace: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    usage: tuple[ModelUsage, ...] = ()
    fault: tuple[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """OpenAI's object has no optional fields: what there is none of is empty or 0."""
        code, message = self.fault or ("", "")
        empty = {"input": [], "output": [], "finish_reason": "", "model": "", "usage": _usage(None)}
        sampling = {"temperature": 0, "max_completion_tokens": 0, "top_p": 0, "seed": 0}
        return {**empty, **sampling, **self.shown, "error": {"code": code, "message": message}}


def given(namespace: Mapping[str, Any]) -> Sample:
    """An answer that came with its item."""
    text, model = namespace.get("output_text"), namespace.get("model")
    output = [_output(text if isinstance(text, str) else None, None, namespace.get("output_tools") or ())]
    return Sample(namespace, {"output": output, "model": model if isinstance(model, str) else ""})


def asked(model: str, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any], reply: Reply) -> Sample:
    """An answer that the model gave in this run."""
    usage = ModelUsage.of(model, reply.usage)
    shown = {
        **_request(model, messages, options),
        "output": [_output(reply.text, reply.refusal, reply.tool_calls)],
        "finish_reason": reply.finish_reason or "",
        "usage": _usage(usage),
    }
    return Sample(sample_of(reply.text, reply.tool_calls, model=model), shown, (usage,))


def unanswered(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    fault: tuple[str, str],
    usage: Sequence[ModelUsage] = (),
) -> Sample:
    return Sample({}, _request(model, messages, options), tuple(usage), fault)


def stored(messages: Sequence[Mapping[str, Any]], response: Mapping[str, Any]) -> Sample:
    """A stored completion's own answer. Its tokens were spent before this run, and are not counted to it."""
    choice = response["choices"][0]
    answer, model = choice["message"], response.get("model") or ""
    calls = answer.get("tool_calls") or ()
    names = ("temperature", "max_completion_tokens", "top_p", "seed")
    spent = response.get("usage") or {}
    details = spent.get("prompt_tokens_details") or {}
    usage = ModelUsage(
        model, 1, spent.get("prompt_tokens", 0), spent.get("completion_tokens", 0), details.get("cached_tokens") or 0
    )
    shown = {
        "input": [_message(message) for message in messages],
        "model": model,
        **{name: response[name] for name in names if response.get(name) is not None},
        "output": [_output(answer.get("content"), answer.get("refusal"), calls)],
        "finish_reason": choice.get("finish_reason") or "",
        "usage": _usage(usage),
    }
    return Sample(sample_of(answer.get("content"), calls, model=model), shown)


def _request(model: str, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    names = ("temperature", "max_completion_tokens", "top_p", "seed")
    sampling = {name: options[name] for name in names if options.get(name) is not None}
    return {"input": [_message(message) for message in messages], "model": model, **sampling}


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": str(message.get("role", "")), "content": _text(message.get("content"))}


def _text(content: object) -> str:
    """Content as the one text that the contract has for it; parts that are none are named by their kind."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") or part.get("refusal") or f"[{part.get('type')}]" for part in content if isinstance(part, Mapping)]
    return "".join(str(text) for text in texts)


def _output(text: str | None, refusal: str | None, calls: object) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text or ""}
    if refusal:
        message["refusal"] = refusal
    if isinstance(calls, list | tuple) and calls:
        message["tool_calls"] = list(calls)
    return message


def _usage(usage: ModelUsage | None) -> dict[str, int]:
    return {
        "total_tokens": usage.total_tokens if usage else 0,
        "completion_tokens": usage.completion_tokens if usage else 0,
        "prompt_tokens": usage.prompt_tokens if usage else 0,
        "cached_tokens": usage.cached_tokens if usage else 0,
    }
