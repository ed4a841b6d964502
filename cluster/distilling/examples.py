"""Lines of a training file: those that have an answer, those that the teacher is still to answer, and their prompts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cluster.completions.training_example import LeftOut, training_example
from cluster.distilling.plan import Refused

_MAX_REPORTED: Final = 20
_ASKED: Final = ("messages", "tools", "parallel_tool_calls")


def read_examples(lines: Iterable[bytes], param: str) -> Iterator[dict[str, Any]]:
    """Every line's object, empty lines aside. At its end raises :class:`Refused` if lines can't be used; names up to 20."""
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        example, problem = _read(line)
        if problem is None:
            yield example
        elif len(problems) < _MAX_REPORTED:
            problems.append(f"  line {number}: {problem}")
    if problems:
        raise Refused(param, "lines can't be used:\n" + "\n".join(problems))


def answered(example: Mapping[str, Any]) -> bool:
    return bool(example["messages"][-1]["role"] == "assistant")


def question(example: Mapping[str, Any], teacher: str, temperature: float) -> dict[str, Any]:
    """The body of a chat completion. ``weight`` is of training alone."""
    body = {name: example[name] for name in _ASKED if example.get(name) is not None}
    body["messages"] = [{key: value for key, value in message.items() if key != "weight"} for message in body["messages"]]
    return {**body, "model": teacher, "temperature": temperature}


def completed(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any] | LeftOut:
    """The line with the teacher's answer, by the rules of the export of stored completions; or why it is none."""
    return training_example(asked, answer)


def prompt_digest(messages: Iterable[Mapping[str, Any]]) -> bytes:
    """Equal for conversations that say the same, whether as text or in parts; white space around is not looked at."""
    said = [[message.get("role"), _text(message.get("content"))] for message in messages]
    return hashlib.sha256(json.dumps(said).encode()).digest()


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict)).strip()
    return content.strip() if isinstance(content, str) else ""


def _read(line: bytes) -> tuple[dict[str, Any], str | None]:
    try:
        example = json.loads(line)
    except (ValueError, RecursionError):
        return {}, "it is not JSON."
    if not isinstance(example, dict):
        return {}, "it is no object."
    if "preferred_output" in example:
        return {}, "it is an example of preferences, which a teacher's answers are not."
    messages = example.get("messages")
    if not isinstance(messages, list) or not messages:
        return {}, "'messages' is not a list of messages."
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return {}, f"'messages.{index}' is no message with a role."
    return example, None
