"""From answers in OpenAI's JSON to response messages. The chunk path runs once a token: about 3 µs, of which 0.6 µs decode JSON."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2, usage_pb2
from cluster.edges.grpc.translate import enums

# --- the JSON, as far as messages carry it; unknown fields are skipped ----------------------------------------------------


class _Top(msgspec.Struct, gc=False):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Token(_Top, gc=False):
    top_logprobs: list[_Top] = []


class _Logprobs(msgspec.Struct, gc=False):
    content: list[_Token] | None = None
    refusal: list[_Token] | None = None


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    function: _Function | None = None
    id: str | None = None
    index: int = 0


class _Text(msgspec.Struct, gc=False):
    """A message, or what was added to one."""

    role: str | None = None
    content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int
    message: _Text
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _ChunkChoice(msgspec.Struct, gc=False):
    index: int
    delta: _Text
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int = 0
    audio_tokens: int = 0


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Warning(msgspec.Struct, gc=False):
    code: str
    message: str
    param: str = ""


class _Envelope(msgspec.Struct, gc=False):
    id: str
    created: int
    model: str
    usage: _Usage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    warnings: list[_Warning] | None = None


class _Body(_Envelope, gc=False, kw_only=True):
    choices: list[_Choice]


class _Chunk(_Envelope, gc=False, kw_only=True):
    choices: list[_ChunkChoice]


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


# --- whole answers and pieces ---------------------------------------------------------------------------------------------


def completion(body: bytes) -> chat_pb2.CreateChatCompletionResponse:
    """A ``chat.completion`` object. Raises ``msgspec.DecodeError`` if it is none: a defect of the engine, not of the caller."""
    decoded = _decode_body(body)
    response = chat_pb2.CreateChatCompletionResponse(id=decoded.id, created=decoded.created, model=decoded.model)
    _put_envelope(response, decoded)
    for choice in decoded.choices:
        added = response.choices.add(index=choice.index, finish_reason=_finish_reason(choice.finish_reason))
        _put_text(added.message, choice.message)
        for call in choice.message.tool_calls or ():
            function = call.function or _Function()
            added.message.tool_calls.add(
                id=call.id or "", function=message_pb2.FunctionCall(name=function.name or "", arguments=function.arguments or "")
            )
        if choice.logprobs is not None:
            _put_logprobs(added.logprobs, choice.logprobs)
    return response


def chunk(payload: bytes) -> chat_pb2.StreamChatCompletionResponse:
    """A ``chat.completion.chunk`` object. Raises ``msgspec.DecodeError`` if it is none: a defect, as above."""
    decoded = _decode_chunk(payload)
    response = chat_pb2.StreamChatCompletionResponse(id=decoded.id, created=decoded.created, model=decoded.model)
    _put_envelope(response, decoded)
    for choice in decoded.choices:
        added = response.choices.add(index=choice.index)
        if choice.finish_reason is not None:
            added.finish_reason = _finish_reason(choice.finish_reason)
        _put_text(added.delta, choice.delta)
        for call in choice.delta.tool_calls or ():
            _put_tool_call(added.delta.tool_calls.add(index=call.index), call)
        if choice.logprobs is not None:
            _put_logprobs(added.logprobs, choice.logprobs)
    return response


# --- parts of the above ---------------------------------------------------------------------------------------------------


def _put_envelope(
    response: chat_pb2.CreateChatCompletionResponse | chat_pb2.StreamChatCompletionResponse, decoded: _Envelope
) -> None:
    if decoded.system_fingerprint is not None:
        response.system_fingerprint = decoded.system_fingerprint
    if decoded.service_tier is not None:
        response.service_tier = enums.SERVICE_TIER.by_name.get(decoded.service_tier, 0)  # type: ignore[assignment]
    if decoded.usage is not None:
        _put_usage(response.usage, decoded.usage)
    if decoded.warnings is not None:
        for warning in decoded.warnings:
            response.warnings.add(code=warning.code, message=warning.message, param=warning.param)


def _put_text(message: message_pb2.ChatMessage | chat_pb2.Delta, text: _Text) -> None:
    if text.content is not None:
        message.content = text.content
    if text.reasoning is not None:
        message.reasoning = text.reasoning
    if text.role is not None:
        message.role = enums.ROLE.by_name.get(text.role, 0)  # type: ignore[assignment]
    if text.refusal is not None:
        message.refusal = text.refusal


def _put_tool_call(added: chat_pb2.ToolCallDelta, call: _ToolCall) -> None:
    if call.id is not None:
        added.id = call.id
    if call.function is not None:
        if call.function.name is not None:
            added.name = call.function.name
        if call.function.arguments is not None:
            added.arguments = call.function.arguments


def _finish_reason(name: str | None) -> chat_pb2.FinishReason:
    return enums.FINISH_REASON.by_name.get(name or "", 0)  # type: ignore[return-value]


def _put_usage(added: usage_pb2.Usage, usage: _Usage) -> None:
    added.prompt_tokens = usage.prompt_tokens
    added.completion_tokens = usage.completion_tokens
    added.total_tokens = usage.total_tokens
    prompt, generated = usage.prompt_tokens_details, usage.completion_tokens_details
    if prompt is not None:
        added.prompt_tokens_details.cached_tokens = prompt.cached_tokens
        added.prompt_tokens_details.audio_tokens = prompt.audio_tokens
    if generated is not None:
        added.completion_tokens_details.reasoning_tokens = generated.reasoning_tokens
        added.completion_tokens_details.audio_tokens = generated.audio_tokens
        added.completion_tokens_details.accepted_prediction_tokens = generated.accepted_prediction_tokens
        added.completion_tokens_details.rejected_prediction_tokens = generated.rejected_prediction_tokens


def _put_logprobs(added: usage_pb2.Logprobs, logprobs: _Logprobs) -> None:
    added.content.extend(_token_logprobs(logprobs.content or ()))
    added.refusal.extend(_token_logprobs(logprobs.refusal or ()))


def _token_logprobs(tokens: Iterable[_Token]) -> Iterable[usage_pb2.TokenLogprob]:
    for token in tokens:
        yield usage_pb2.TokenLogprob(
            token=token.token,
            logprob=token.logprob,
            token_bytes=_bytes(token),
            top_logprobs=[
                usage_pb2.TopLogprob(token=top.token, logprob=top.logprob, token_bytes=_bytes(top)) for top in token.top_logprobs
            ],
        )


def _bytes(token: _Top) -> bytes | None:
    return None if token.bytes is None else bytes(token.bytes)
