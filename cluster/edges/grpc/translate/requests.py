"""From request messages to the dictionary that a JSON body would have given. Ranges and rules are left to the validator."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2, tool_pb2
from cluster.edges.grpc.translate import enums
from cluster.errors import InvalidRequest
from cluster.inference.requests.json_body import decode_object
from cluster.inference.requests.limits import RequestLimits

# Fields that mean in JSON what they mean here, and are sent only when they are set.
_PLAIN = (
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "parallel_tool_calls",
    "prompt_cache_key",
    "cache_salt",
    "safety_identifier",
    "top_k",
    "min_p",
    "repetition_penalty",
    "min_tokens",
    "ignore_eos",
    "include_stop_str_in_output",
    "skip_special_tokens",
    "include_reasoning",
    "store",
)
_ENUMS = (
    ("reasoning_effort", enums.REASONING_EFFORT),
    ("prompt_cache_retention", enums.PROMPT_CACHE_RETENTION),
    ("service_tier", enums.SERVICE_TIER),
)


def completion_body(request: chat_pb2.CreateChatCompletionRequest, limits: RequestLimits) -> dict[str, object]:
    """The body of a request that is answered in one piece. Raises ``InvalidRequest`` for what JSON could not say."""
    body: dict[str, object] = {"messages": [_message(message, f"messages.{i}") for i, message in enumerate(request.messages)]}
    if request.model:
        body["model"] = request.model
    body.update((name, getattr(request, name)) for name in _PLAIN if request.HasField(name))
    for name, names in _ENUMS:
        _put_enum(body, name, getattr(request, name), names, name)
    if request.stop:
        body["stop"] = list(request.stop)
    if request.stop_token_ids:
        body["stop_token_ids"] = list(request.stop_token_ids)
    if request.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in request.logit_bias.items()}
    if request.metadata:
        body["metadata"] = dict(request.metadata)
    if request.tools:
        body["tools"] = [_tool(tool, f"tools.{i}", limits) for i, tool in enumerate(request.tools)]
    if request.HasField("tool_choice"):
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.HasField("response_format"):
        body["response_format"] = _response_format(request.response_format, limits)
    return body


def stream_body(request: chat_pb2.StreamChatCompletionRequest, limits: RequestLimits) -> dict[str, object]:
    """The body of a request that is answered piece by piece. Raises ``InvalidRequest`` for what JSON could not say."""
    body = completion_body(request.completion, limits)
    body["stream"] = True
    if request.HasField("stream_options"):
        options = request.stream_options
        body["stream_options"] = {"include_usage": options.include_usage} if options.HasField("include_usage") else {}
    return body


# --- messages -------------------------------------------------------------------------------------------------------------


def _message(message: message_pb2.ChatMessage, param: str) -> dict[str, object]:
    body: dict[str, object] = {}
    _put_enum(body, "role", message.role, enums.ROLE, f"{param}.role")
    match message.WhichOneof("body"):
        case "content":
            body["content"] = message.content
        case "content_parts":
            body["content"] = [_part(part, f"{param}.content.{i}") for i, part in enumerate(message.content_parts.parts)]
    body.update(
        (name, getattr(message, name)) for name in ("name", "tool_call_id", "refusal", "reasoning") if message.HasField(name)
    )
    if message.tool_calls:
        body["tool_calls"] = list(_tool_calls(message.tool_calls))
    return body


def _part(part: message_pb2.ContentPart, param: str) -> dict[str, object]:
    match part.WhichOneof("part"):
        case "text":
            return {"type": "text", "text": part.text}
        case "image":
            image: dict[str, object] = {"url": part.image.url}
            _put_enum(image, "detail", part.image.detail, enums.IMAGE_DETAIL, f"{param}.image_url.detail")
            return {"type": "image_url", "image_url": image}
        case "audio":
            audio = part.audio
            return {"type": "input_audio", "input_audio": {"data": b64encode(audio.data).decode(), "format": audio.format}}
        case "refusal":
            return {"type": "refusal", "refusal": part.refusal}
    raise _choice_missing(param, "text, image, audio or refusal")


def _tool_calls(calls: Iterable[message_pb2.ToolCall]) -> Iterable[dict[str, object]]:
    for call in calls:
        yield {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }


# --- tools and formats ----------------------------------------------------------------------------------------------------


def _tool(tool: tool_pb2.Tool, param: str, limits: RequestLimits) -> dict[str, object]:
    function = tool.function
    body: dict[str, object] = {"name": function.name}
    body.update((name, getattr(function, name)) for name in ("description", "strict") if function.HasField(name))
    if function.HasField("parameters"):
        body["parameters"] = _json(function.parameters, f"{param}.function.parameters", limits)
    return {"type": "function", "function": body}


def _tool_choice(choice: tool_pb2.ToolChoice) -> object:
    match choice.WhichOneof("choice"):
        case "mode":
            body: dict[str, object] = {}
            _put_enum(body, "mode", choice.mode, enums.TOOL_CHOICE_MODE, "tool_choice")
            if "mode" in body:
                return body["mode"]
        case "function":
            return _named(choice.function)
        case "allowed_tools":
            allowed: dict[str, object] = {"tools": [_named(function) for function in choice.allowed_tools.functions]}
            _put_enum(allowed, "mode", choice.allowed_tools.mode, enums.TOOL_CHOICE_MODE, "tool_choice.allowed_tools.mode")
            return {"type": "allowed_tools", "allowed_tools": allowed}
    raise _choice_missing("tool_choice", "mode, function or allowed_tools")


def _named(function: tool_pb2.NamedFunction) -> dict[str, object]:
    return {"type": "function", "function": {"name": function.name}}


def _response_format(chosen: tool_pb2.ResponseFormat, limits: RequestLimits) -> dict[str, object]:
    match chosen.WhichOneof("format"):
        case "text":
            return {"type": "text"}
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            schema = chosen.json_schema
            body: dict[str, object] = {"name": schema.name}
            body.update((name, getattr(schema, name)) for name in ("description", "strict") if schema.HasField(name))
            if schema.HasField("schema"):
                body["schema"] = _json(schema.schema, "response_format.json_schema.schema", limits)
            return {"type": "json_schema", "json_schema": body}
    raise _choice_missing("response_format", "text, json_object or json_schema")


# --- parts of the above ---------------------------------------------------------------------------------------------------


def _put_enum(body: dict[str, object], key: str, number: int, names: enums.EnumNames, param: str) -> None:
    """Set ``key`` to the name of an enum value; nothing for the unspecified one. Raises for numbers that the enum lacks."""
    if number == 0:
        return
    name = names.by_number.get(number)
    if name is None:
        raise InvalidRequest(f"Invalid '{param}': the enum has no value {number}.", param=param, code="invalid_value")
    body[key] = name


def _json(text: str, param: str, limits: RequestLimits) -> dict[str, object]:
    try:
        return decode_object(text.encode(), limits)
    except InvalidRequest as error:
        raise InvalidRequest(f"Invalid '{param}': {error.message}", param=param, code=error.code) from None


def _choice_missing(param: str, choices: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': set one of {choices}.", param=param, code="missing_required_parameter")
