"""``POST /v1/chat/completions``, whatever edge it came in by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import Field

from cluster.completions.capture import Asked
from cluster.engine.contract import Operation
from cluster.inference.requests import fields, problems
from cluster.inference.requests.fields import INT32_MAX, GenerationFields, Strict
from cluster.inference.requests.image_digest import with_digests
from cluster.inference.requests.limits import DEFAULT_LIMITS, RequestLimits
from cluster.inference.requests.messages import Conversation, Message, TextContent
from cluster.inference.requests.parsed import ParsedRequest
from cluster.inference.requests.sound import AudioOutput
from cluster.inference.requests.tools import MAX_TOOLS, ResponseFormat, Tool, ToolChoice, engine_format, engine_tools

REFUSED: Final[Mapping[str, str]] = {
    "functions": "It was replaced by 'tools'.",
    "function_call": "It was replaced by 'tool_choice'.",
    "audio": "The models served here produce text only.",
    "web_search_options": "This server has no web search.",
    "moderation": "This server has no moderation.",
}
"""Arguments of OpenAI's schema that would promise something which is not done here, and why."""

REASONING_EFFORT: Final[Mapping[str, str]] = {
    "none": "low",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
"""OpenAI's scale to the three levels that gpt-oss was trained on."""

_RESERVED_TEMPLATE_ARGUMENTS = frozenset(
    {"chat_template", "tokenize", "messages", "conversation", "tools", "documents", "add_generation_prompt"}
    | {"continue_final_message", "return_tensors", "return_dict", "reasoning_effort"}
)


TemplateArgument = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Prediction(Strict):
    type: Literal["content"]
    content: TextContent


class ChatFields(GenerationFields):
    """The request body. Nullable throughout: OpenAI's clients send null for "not set"."""

    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True)]
    tools: Annotated[list[Tool], Field(min_length=1, max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=INT32_MAX)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=INT32_MAX)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] | None = None
    audio: AudioOutput | None = None
    prediction: Prediction | None = None

    # Beyond OpenAI's schema, under vLLM's names.
    include_reasoning: bool | None = None
    chat_template_kwargs: Annotated[dict[TemplateArgument, Any], Field(max_length=16)] | None = None


@dataclass(frozen=True, slots=True)
class ChatCompletionRequest(ParsedRequest):
    """A valid chat request.

    Its canonical prompt has the rendered order: effort, tools, template arguments and response schema, then the messages, one JSON
    line each. JSON holds no line break, so lines cannot be confused, and a conversation that goes on starts with the bytes it had.
    """

    @classmethod
    def parse(cls, raw: Mapping[str, object] | bytes, *, limits: RequestLimits = DEFAULT_LIMITS) -> ChatCompletionRequest:
        """Validate a body. Raises :class:`~cluster.errors.InvalidRequest`."""
        return cls.of(fields.load(ChatFields, raw, REFUSED, limits), limits, raw)

    @classmethod
    def of(
        cls, given: ChatFields, limits: RequestLimits = DEFAULT_LIMITS, raw: Mapping[str, object] | bytes | None = None
    ) -> ChatCompletionRequest:
        """From the fields of a body. ``raw``: the body itself, where it may be kept.

        Raises :class:`~cluster.errors.InvalidRequest`.
        """
        check_combinations(given)
        if given.store and not limits.store:
            raise problems.unsupported_parameter("store", "This server does not keep completions: leave it out, or send false.")
        if given.store and raw is None:
            raise problems.unsupported_parameter("store", "Chats with audio are not kept: leave it out, or send false.")
        conversation = Conversation(limits)
        messages = conversation.normalise(given.messages)
        shape = _shape(given)
        # Encoded once, whatever their size: both forms are made of the same pieces.
        lines = [msgspec.json.encode(message) for message in messages]
        settings = msgspec.json.encode({**fields.engine_fields(given), **_sampling(given), **shape})
        body = b'%b,"messages":[%b]}' % (settings[:-1], b",".join(lines))
        to_store = Asked(raw, given.metadata or {}) if given.store and raw is not None else None
        if conversation.images:
            lines = [msgspec.json.encode(with_digests(message)) for message in messages]
        return cls._of(given, _canonical(shape, lines), body, to_store, conversation.images)

    @property
    def operation(self) -> Operation:
        return Operation.CHAT


def check_combinations(given: ChatFields) -> None:
    """Raises :class:`~cluster.errors.InvalidRequest` for fields that contradict each other or promise what is not done here."""
    if given.max_tokens is not None and given.max_completion_tokens is not None:
        raise problems.combination(
            "max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        )
    if given.top_logprobs is not None and not given.logprobs:
        raise problems.combination("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
    if given.tool_choice not in (None, "none") and given.tools is None:
        raise problems.combination("tool_choice", "The 'tool_choice' parameter is only allowed when 'tools' are specified.")
    if given.modalities is not None and "audio" in given.modalities:
        raise problems.unsupported_value("modalities", "the models served here produce text only.")
    for name, value in (given.chat_template_kwargs or {}).items():
        param = f"chat_template_kwargs.{name}"
        if name in _RESERVED_TEMPLATE_ARGUMENTS:
            raise problems.unsupported_value(param, "this argument is the server's own.")
        if not isinstance(value, bool | int | float | str | None):
            raise problems.wrong_type(param, "a string, number, boolean or null", value)


def _shape(given: ChatFields) -> dict[str, Any]:
    """What is rendered into the prompt's head, or decides it."""
    shape: dict[str, Any] = {}
    template_arguments = dict(given.chat_template_kwargs or {})
    if given.reasoning_effort is not None:
        shape["reasoning_effort"] = REASONING_EFFORT[given.reasoning_effort]
        if given.reasoning_effort == "none":
            # gpt-oss cannot do without reasoning; templates that can, know it under this name.
            template_arguments.setdefault("enable_thinking", False)
    if given.tools is not None:
        shape["tools"], shape["tool_choice"] = engine_tools(given.tools, given.tool_choice)
    if template_arguments:
        shape["chat_template_kwargs"] = template_arguments
    if given.response_format is not None and given.response_format.type != "text":
        shape["response_format"] = engine_format(given.response_format)
    return shape


def _sampling(given: ChatFields) -> dict[str, object]:
    body: dict[str, object] = {}
    limit = given.max_completion_tokens if given.max_completion_tokens is not None else given.max_tokens
    if limit is not None:
        body["max_completion_tokens"] = limit
    if given.logprobs:
        body["logprobs"] = True
        body["top_logprobs"] = given.top_logprobs or 0
    if given.parallel_tool_calls is not None and given.tools is not None:
        body["parallel_tool_calls"] = given.parallel_tool_calls
    if given.include_reasoning is not None:
        body["include_reasoning"] = given.include_reasoning
    return body


def _canonical(shape: Mapping[str, Any], messages: list[bytes]) -> bytes:
    head = [shape.get(name) for name in ("reasoning_effort", "tools", "chat_template_kwargs", "response_format")]
    return b"\n".join([msgspec.json.encode(head), *messages, b""])
