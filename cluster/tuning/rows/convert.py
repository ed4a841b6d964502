"""From an example to rows: one for each assistant turn that is learned, with everything before it as the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cluster.images.encoded import EncodedImage
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.messages import FunctionMessage, ImagePart, RefusalPart, TextPart, ToolMessage
from cluster.inference.requests.tools import FunctionDefinition
from cluster.tuning.rows.example import AssistantTurn, Example, SupervisedExample, Toolbox, TrainingMessage
from cluster.tuning.rows.line_json import decode_text
from cluster.tuning.rows.row import Message, PreferenceRow, Row, SupervisedRow

_LEGACY_CALL: Final = "call_function"


@dataclass(frozen=True, slots=True)
class Converted:
    """``dropped_calls``: further calls of a last message, which as turns of their own would follow results that aren't there."""

    rows: tuple[Row, ...]
    dropped_calls: int = 0


@dataclass(frozen=True, slots=True)
class _Turn:
    message: Message
    learned: bool = False
    images: int = 0


def convert(example: Example, images: Sequence[EncodedImage], serial: bool) -> Converted:
    """Rows of an example that :func:`~cluster.tuning.rows.parse.parse` has passed.

    ``images``: those of the example, in order. ``serial``: the model's chat template writes one call a message (Harmony's writes
    the first and drops the others), so parallel calls are put one after another, each followed by its result.
    """
    if isinstance(example, SupervisedExample):
        turns, dropped = _turns(example.messages, serial)
        tools = _tools(example)
        rows: list[Row] = []
        for index, turn in enumerate(turns):
            if turn.learned:
                before = turns[:index]
                seen = sum(each.images for each in before)
                prompt = tuple(each.message for each in before)
                rows.append(SupervisedRow(prompt, turn.message, tools, tuple(images[:seen])))
        return Converted(tuple(rows), dropped)
    turns, _ = _turns(example.input.messages, serial)
    chosen, dropped_chosen = _answer(example.preferred_output[0], serial)
    rejected, dropped_rejected = _answer(example.non_preferred_output[0], serial)
    prompt = tuple(each.message for each in turns)
    row = PreferenceRow(prompt, chosen, rejected, _tools(example.input))
    return Converted((row,), dropped_chosen + dropped_rejected)


def _answer(turn: AssistantTurn, serial: bool) -> tuple[Message, int]:
    turns, dropped = _turns([turn], serial)
    return turns[0].message, dropped


def _turns(messages: Sequence[TrainingMessage], serial: bool) -> tuple[list[_Turn], int]:
    turns: list[_Turn] = []
    dropped = 0
    index = 0
    while index < len(messages):
        message = messages[index]
        index += 1
        if not isinstance(message, AssistantTurn):
            turns.append(_Turn(_plain(message), images=_image_count(message)))
            continue
        results: list[_Turn] = []
        while index < len(messages) and isinstance(result := messages[index], ToolMessage | FunctionMessage):
            results.append(_Turn(_result(result)))
            index += 1
        whole = _assistant(message)
        if not serial or len(whole.get("tool_calls", ())) < 2:
            turns += [_Turn(whole, message.learned), *results]
            continue
        apart = _one_after_another(whole, results, message.learned)
        turns += apart
        dropped += len(whole["tool_calls"]) - sum(turn.message["role"] == "assistant" for turn in apart)
    return turns, dropped


def _one_after_another(whole: Message, results: Sequence[_Turn], learned: bool) -> list[_Turn]:
    """One message a call, each followed by its result. Without results only the first call can stand."""
    by_call = {result.message["tool_call_id"]: result for result in results}
    turns: list[_Turn] = []
    for call in whole["tool_calls"]:
        content = "" if turns else whole["content"]
        turns.append(_Turn({**whole, "content": content, "tool_calls": [call]}, learned))
        if call["id"] not in by_call:
            break
        turns.append(by_call[call["id"]])
    return turns


def _assistant(turn: AssistantTurn) -> Message:
    content = turn.refusal if turn.content is None else turn.content
    message: Message = {"role": "assistant", "content": _content(content or "")}
    if turn.name is not None:
        message["name"] = turn.name
    calls = [(call.id, call.function) for call in turn.tool_calls or ()]
    if turn.function_call is not None:
        calls.append((_LEGACY_CALL, turn.function_call))
    if calls:
        message["tool_calls"] = [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": function.name, "arguments": decode_text(function.arguments, "the string")},
            }
            for call_id, function in calls
        ]
    return message


def _result(message: ToolMessage | FunctionMessage) -> Message:
    if isinstance(message, ToolMessage):
        return _plain(message) | {"tool_call_id": message.tool_call_id}
    return {"role": "tool", "content": _content(message.content or ""), "tool_call_id": _LEGACY_CALL}


def _plain(message: TrainingMessage) -> Message:
    form: Message = {"role": message.role, "content": _content(message.content or "")}
    if message.name is not None:
        form["name"] = message.name
    return form


def _content(content: str | Sequence[Strict]) -> str | list[dict[str, str]]:
    """Texts are joined as the engine joins them. A message with images stays a list, as their places count."""
    if isinstance(content, str):
        return content
    if not any(isinstance(part, ImagePart) for part in content):
        return "\n".join(map(_text, content))
    return [{"type": "image"} if isinstance(part, ImagePart) else {"type": "text", "text": _text(part)} for part in content]


def _text(part: Strict) -> str:
    return part.refusal if isinstance(part, RefusalPart) else part.text if isinstance(part, TextPart) else ""


def _image_count(message: TrainingMessage) -> int:
    content = message.content
    return sum(isinstance(part, ImagePart) for part in content) if isinstance(content, list) else 0


def _tools(box: Toolbox) -> tuple[Message, ...]:
    return tuple({"type": "function", "function": _function(function)} for _, function in box.definitions())


def _function(function: FunctionDefinition) -> Message:
    return function.model_dump(exclude_none=True)
