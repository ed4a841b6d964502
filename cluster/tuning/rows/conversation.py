"""What must hold between the messages of an example, beyond the shape of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from cluster.errors import InvalidRequest
from cluster.inference.requests import problems
from cluster.inference.requests.messages import (
    AudioPart,
    FilePart,
    FunctionMessage,
    ImagePart,
    TextPart,
    ToolMessage,
    UserMessage,
)
from cluster.tuning.rows.example import AssistantTurn, Toolbox, TrainingMessage
from cluster.tuning.rows.line_json import decode_text

MAX_IMAGES: Final = 10
"""OpenAI's limit for one example."""


def conversation_problems(
    messages: Sequence[TrainingMessage], tools: Toolbox, root: str, *, takes_images: bool
) -> Iterator[InvalidRequest]:
    """``root``: where ``messages`` and ``tools`` stand, with a dot at its end, or empty."""
    yield from _tool_problems(tools, root)
    yield from _part_problems(messages, root, takes_images)
    known = {function.name for _, function in tools.definitions()}
    open_calls: dict[str, str] = {}
    open_function: str | None = None
    for index, message in enumerate(messages):
        param = f"{root}messages.{index}"
        if isinstance(message, ToolMessage):
            if open_calls.pop(message.tool_call_id, None) is None:
                yield problems.invalid(
                    f"{param}.tool_call_id", "a 'tool' message must answer a call of the assistant message before it, once."
                )
            continue
        if isinstance(message, FunctionMessage):
            if message.name != open_function:
                yield problems.invalid(
                    f"{param}.name", "a 'function' message must answer the 'function_call' of the assistant message before it."
                )
            open_function = None
            continue
        yield from _unanswered(open_calls, open_function)
        open_calls, open_function = {}, None
        if isinstance(message, AssistantTurn):
            yield from answer_problems(message, param, known, tools.parallel_tool_calls)
            open_calls = {call.id: f"{param}.tool_calls.{place}" for place, call in enumerate(message.tool_calls or ())}
            open_function = message.function_call.name if message.function_call is not None else None


def answer_problems(turn: AssistantTurn, param: str, known: set[str], parallel: bool | None) -> Iterator[InvalidRequest]:
    """``known``: names of the functions that there are."""
    calls = turn.tool_calls or []
    if turn.content is None and turn.refusal is None and not calls and turn.function_call is None:
        yield problems.missing(f"{param}.content")
    elif turn.learned and not calls and turn.function_call is None and not _text(turn).strip():
        yield problems.invalid(f"{param}.content", "there is nothing to learn from an empty message; give it the weight 0.")
    if calls and turn.function_call is not None:
        yield problems.combination(f"{param}.function_call", "A message has either 'tool_calls' or 'function_call', not both.")
    if len(calls) > 1 and parallel is False:
        yield problems.combination(
            f"{param}.tool_calls", f"The message has {len(calls)} calls, but 'parallel_tool_calls' is false: one is allowed."
        )
    seen: set[str] = set()
    for place, call in enumerate(calls):
        where = f"{param}.tool_calls.{place}"
        if call.id in seen:
            yield problems.invalid(f"{where}.id", f"there are two calls with the id '{call.id[:100]}'.")
        seen.add(call.id)
        yield from _call_problems(f"{where}.function", call.function.name, call.function.arguments, known)
    if turn.function_call is not None:
        called = turn.function_call
        yield from _call_problems(f"{param}.function_call", called.name, called.arguments, known)


def ending_problems(messages: Sequence[TrainingMessage], root: str) -> Iterator[InvalidRequest]:
    """Of a conversation that is learned from: its end, and whether there is anything to learn."""
    last = len(messages) - 1
    if not isinstance(messages[last], AssistantTurn):
        yield problems.invalid(f"{root}messages.{last}.role", "the last message must be from the assistant.")
    elif not any(isinstance(message, AssistantTurn) and message.learned for message in messages):
        yield problems.invalid(f"{root}messages", "every assistant message has the weight 0, so there is nothing to learn.")


def image_parts(messages: Sequence[TrainingMessage], root: str) -> Iterator[tuple[str, ImagePart]]:
    """All images of a conversation in order, each with the field that it stands in."""
    for index, message in enumerate(messages):
        if isinstance(message, UserMessage) and not isinstance(message.content, str):
            for place, part in enumerate(message.content):
                if isinstance(part, ImagePart):
                    yield f"{root}messages.{index}.content.{place}.image_url.url", part


# --- parts of the above ---------------------------------------------------------------------------------------------------


def _text(turn: AssistantTurn) -> str:
    if turn.content is None:
        return turn.refusal or ""
    if isinstance(turn.content, str):
        return turn.content
    return "".join(part.text if isinstance(part, TextPart) else part.refusal for part in turn.content)


def _unanswered(open_calls: dict[str, str], open_function: str | None) -> Iterator[InvalidRequest]:
    for call_id, param in open_calls.items():
        yield problems.invalid(param, f"no 'tool' message right after it answers the call '{call_id[:100]}'.")
    if open_function is not None:
        yield problems.invalid("messages", f"no 'function' message right after it answers the call of '{open_function}'.")


def _call_problems(param: str, name: str, arguments: str, known: set[str]) -> Iterator[InvalidRequest]:
    if name not in known:
        yield problems.invalid(f"{param}.name", f"no function named '{name}' is among 'tools'.")
    try:
        decode_text(arguments, "the string")
    except InvalidRequest as error:
        yield problems.invalid(f"{param}.arguments", error.message)


def _part_problems(messages: Sequence[TrainingMessage], root: str, takes_images: bool) -> Iterator[InvalidRequest]:
    images = [param for param, _ in image_parts(messages, root)]
    if images and not takes_images:
        yield problems.unsupported_value(images[0], "the model takes no images.")
    if len(images) > MAX_IMAGES:
        yield problems.invalid(f"{root}messages", f"there are {len(images)} images, but an example may have {MAX_IMAGES}.")
    for index, message in enumerate(messages):
        content = getattr(message, "content", None)
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, AudioPart | FilePart):
                where = f"{root}messages.{index}.content.{place}.type"
                yield problems.unsupported_value(where, f"training examples have no '{part.type}' parts.")


def _tool_problems(tools: Toolbox, root: str) -> Iterator[InvalidRequest]:
    definitions = tools.definitions()
    if tools.parallel_tool_calls is not None and not definitions:
        yield problems.combination(
            f"{root}parallel_tool_calls", "The 'parallel_tool_calls' parameter is only allowed when 'tools' are specified."
        )
    seen: set[str] = set()
    for param, function in definitions:
        if function.name in seen:
            yield problems.invalid(f"{root}{param}.name", f"there are two functions named '{function.name}'.")
        seen.add(function.name)
        if function.parameters is not None and (flaw := _schema_flaw(json.dumps(function.parameters, sort_keys=True))):
            yield InvalidRequest(
                f"Invalid schema for function '{function.name}': {flaw}",
                param=f"{root}{param}.parameters",
                code="invalid_function_parameters",
            )


@lru_cache(maxsize=256)
def _schema_flaw(text: str) -> str | None:
    """What is wrong with a schema of parameters, as JSON. Remembered: all lines of a file mostly have the same tools."""
    schema: Any = json.loads(text)
    if schema.get("type", "object") != "object":
        return "the schema of its parameters must be of type 'object'."
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"it is not a JSON schema: {error.message[:200]}."
    except RecursionError:
        return "it is nested too deeply."
    return None
