"""An :class:`~cluster.engine.contract.EngineRequest` → the request objects of vLLM's serving classes."""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.engine.contract import EngineRequest, Operation

_SAMPLING = {
    "frequency_penalty",
    "ignore_eos",
    "include_stop_str_in_output",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "min_p",
    "min_tokens",
    "model",
    "n",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "skip_special_tokens",
    "stop",
    "stop_token_ids",
    "structured_outputs",
    "temperature",
    "top_k",
    "top_p",
}

CHAT_FIELDS = frozenset(
    _SAMPLING
    | {
        "chat_template_kwargs",
        "include_reasoning",
        "max_completion_tokens",
        "messages",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "tool_choice",
        "tools",
        "top_logprobs",
    }
)
COMPLETION_FIELDS = frozenset(_SAMPLING | {"echo", "prompt", "suffix"})
"""Fields that reach vLLM. Everything else (``metadata``, ``store``, ``service_tier``, ``prompt_cache_key``, ``user``, …) is the
gateway's business, or would let a caller set what only the cluster may: salt, priority, id, KV transfer."""

ID_PREFIX = {Operation.CHAT: "chatcmpl-", Operation.COMPLETION: "cmpl-"}
"""vLLM puts these before the id that it is given."""


def to_vllm(request: EngineRequest, *, lean: bool = False) -> Any:
    """vLLM's ``ChatCompletionRequest`` or ``CompletionRequest``, with the cluster's id, salt and priority.

    ``lean``: streamed chats that the lean front end can write become its ``LeanChatRequest``.

    Raises ``msgspec.DecodeError`` for a body that is no JSON, and what vLLM's models raise: ``pydantic.ValidationError`` and
    ``VLLMValidationError``.
    """
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest

    body = msgspec.json.decode(request.body, type=dict[str, Any])
    chat = request.operation is Operation.CHAT
    known = CHAT_FIELDS if chat else COMPLETION_FIELDS
    fields = {name: value for name, value in body.items() if name in known and value is not None}
    fields["request_id"] = engine_id(request)
    fields["cache_salt"] = request.cache_salt
    fields["priority"] = request.priority
    fields["stream"] = request.stream
    if fields.get("n", 1) > 1 and fields.get("temperature") == 0:
        # vLLM refuses several greedy sequences. To sample from the most probable token alone is the same.
        fields |= {"temperature": 1.0, "top_k": 1}
    if request.stream:
        fields["stream_options"] = {"include_usage": True}
    if not chat:
        return CompletionRequest(**fields)
    if lean and request.stream:
        from cluster.engine.vllm.harmony.serving import LeanChatRequest, can_be_lean

        if can_be_lean(fields):
            return LeanChatRequest(**fields)
    return ChatCompletionRequest(**fields)


def engine_id(request: EngineRequest) -> str:
    """The id without the prefix that vLLM will add. Raises ``ValueError`` when it has another prefix."""
    prefix = ID_PREFIX[request.operation]
    if not request.request_id.startswith(prefix):
        raise ValueError(f"the id of a {request.operation} request must start with {prefix!r}")
    return request.request_id.removeprefix(prefix)
