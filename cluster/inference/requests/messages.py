"""Chat messages: the six roles, and the form in which engines get them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from cluster.images.place import ImagePlace
from cluster.inference.requests import problems
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.requests.sound import EarlierAudio

FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$", max_length=64)]
"""What OpenAI allows. Templates write it into message headers, so nothing else may pass."""

ParticipantName = Annotated[str, Field(pattern=r"^[^\s<|\\/>]+$", max_length=64)]
CallId = Annotated[str, Field(min_length=1, max_length=256)]


# --- content --------------------------------------------------------------------------------------------------------------


class CacheBreakpoint(Strict):
    mode: Literal["explicit"]


class TextPart(Strict):
    type: Literal["text"]
    text: str
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class RefusalPart(Strict):
    type: Literal["refusal"]
    refusal: str


class ImageUrl(Strict):
    url: Annotated[str, Field(min_length=1)]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Strict):
    type: Literal["image_url"]
    image_url: ImageUrl
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputAudio(Strict):
    data: Annotated[str, Field(min_length=1)]
    format: Literal["wav", "mp3"]


class AudioPart(Strict):
    type: Literal["input_audio"]
    input_audio: InputAudio
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class FileReference(Strict):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class FilePart(Strict):
    type: Literal["file"]
    file: FileReference
    prompt_cache_breakpoint: CacheBreakpoint | None = None


def _content_kind(value: object) -> str | None:
    return "<text>" if isinstance(value, str) else "<parts>" if isinstance(value, list) else None


_CONTENT = problems.by_kind("one of a string or array of objects", _content_kind)

_Texts = Annotated[list[TextPart], Field(min_length=1, fail_fast=True)]
_UserParts = Annotated[
    list[
        Annotated[
            Annotated[TextPart, Tag("<text>")]
            | Annotated[ImagePart, Tag("<image_url>")]
            | Annotated[AudioPart, Tag("<input_audio>")]
            | Annotated[FilePart, Tag("<file>")],
            problems.by_key("type", "text", "image_url", "input_audio", "file"),
        ]
    ],
    Field(min_length=1, fail_fast=True),
]
_AssistantParts = Annotated[
    list[
        Annotated[
            Annotated[TextPart, Tag("<text>")] | Annotated[RefusalPart, Tag("<refusal>")],
            problems.by_key("type", "text", "refusal"),
        ]
    ],
    Field(min_length=1, fail_fast=True),
]
TextContent = Annotated[Annotated[str, Tag("<text>")] | Annotated[_Texts, Tag("<parts>")], _CONTENT]
UserContent = Annotated[Annotated[str, Tag("<text>")] | Annotated[_UserParts, Tag("<parts>")], _CONTENT]
AssistantContent = Annotated[Annotated[str, Tag("<text>")] | Annotated[_AssistantParts, Tag("<parts>")], _CONTENT]


# --- messages -------------------------------------------------------------------------------------------------------------


class SystemMessage(Strict):
    role: Literal["system"]
    content: TextContent
    name: ParticipantName | None = None


class DeveloperMessage(Strict):
    role: Literal["developer"]
    content: TextContent
    name: ParticipantName | None = None


class UserMessage(Strict):
    role: Literal["user"]
    content: UserContent
    name: ParticipantName | None = None


class CalledFunction(Strict):
    name: FunctionName
    arguments: str


class ToolCall(Strict):
    id: CallId
    type: Literal["function"]
    function: CalledFunction
    index: int | None = None


class AssistantMessage(Strict):
    """Takes back whatever our own answers hold, so that a client can append an answer to its conversation as it is."""

    role: Literal["assistant"]
    content: AssistantContent | None = None
    name: ParticipantName | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(fail_fast=True)] | None = None
    function_call: CalledFunction | None = None
    audio: EarlierAudio | None = None
    annotations: list[Any] | None = None


class ToolMessage(Strict):
    role: Literal["tool"]
    content: TextContent
    tool_call_id: CallId
    name: ParticipantName | None = None


class FunctionMessage(Strict):
    role: Literal["function"]
    name: FunctionName
    content: str | None


Message = Annotated[
    Annotated[SystemMessage, Tag("<system>")]
    | Annotated[DeveloperMessage, Tag("<developer>")]
    | Annotated[UserMessage, Tag("<user>")]
    | Annotated[AssistantMessage, Tag("<assistant>")]
    | Annotated[ToolMessage, Tag("<tool>")]
    | Annotated[FunctionMessage, Tag("<function>")],
    problems.by_key("role", "system", "developer", "user", "assistant", "tool", "function"),
]


# --- what the engine gets -------------------------------------------------------------------------------------------------


class Conversation:
    """Brings messages into one form: a lone text part becomes a string, deprecated function calls become tool calls.

    The form of a message never depends on a later one: prefix routing relies on it.
    """

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._call_ids: set[str] = set()
        self.images: list[ImagePlace] = []
        """Of the messages so far, in their order."""
        self._function_calls: dict[str, str] = {}
        """Latest id that was made up for a deprecated call, by function name."""

    def normalise(self, messages: Sequence[Message]) -> list[dict[str, object]]:
        """Messages as the engine takes them. Raises :class:`InvalidRequest`."""
        return [self._message(f"messages.{index}", message, index) for index, message in enumerate(messages)]

    def _message(self, param: str, message: Message, index: int) -> dict[str, object]:
        match message:
            case AssistantMessage():
                return self._assistant(param, message, index)
            case ToolMessage():
                if message.tool_call_id not in self._call_ids:
                    raise problems.invalid(
                        f"{param}.tool_call_id",
                        "a message with role 'tool' must answer a 'tool_calls' entry of an earlier assistant message.",
                    )
                return {"role": "tool", "content": self._content(param, message.content), "tool_call_id": message.tool_call_id}
            case FunctionMessage():
                if message.name not in self._function_calls:
                    raise problems.invalid(
                        f"{param}.name", "a message with role 'function' must answer a 'function_call' of an earlier message."
                    )
                return {"role": "tool", "content": message.content or "", "tool_call_id": self._function_calls[message.name]}
            case _:
                form: dict[str, object] = {"role": message.role, "content": self._content(param, message.content)}
                if message.name is not None:
                    form["name"] = message.name
                return form

    def _assistant(self, param: str, message: AssistantMessage, index: int) -> dict[str, object]:
        if message.audio is not None:
            raise problems.unsupported_value(f"{param}.audio", "the models served here have no audio.")
        content = message.refusal if message.content is None else self._content(param, message.content)
        reasoning = message.reasoning if message.reasoning is not None else message.reasoning_content
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
            for call in message.tool_calls or ()
        ]
        if message.function_call is not None:
            call_id = f"call_function_{index}"
            self._function_calls[message.function_call.name] = call_id
            calls.append({"id": call_id, "type": "function", "function": message.function_call.model_dump()})
        if content is None and not calls and reasoning is None:
            raise problems.wrong_type(f"{param}.content", "one of a string or array of objects", None)
        self._call_ids.update(str(call["id"]) for call in calls)
        form: dict[str, object] = {"role": "assistant", "content": content}
        if message.name is not None:
            form["name"] = message.name
        if reasoning is not None:
            form["reasoning"] = reasoning
        if calls:
            form["tool_calls"] = calls
        return form

    def _content(self, param: str, content: str | Sequence[Strict]) -> object:
        if isinstance(content, str):
            return content
        parts: list[dict[str, object]] = []
        for index, part in enumerate(content):
            match part:
                case TextPart():
                    parts.append({"type": "text", "text": part.text})
                case RefusalPart():
                    parts.append({"type": "text", "text": part.refusal})
                case ImagePart() | AudioPart() | FilePart():
                    if part.type not in self._limits.content_parts:
                        raise problems.unsupported_value(
                            f"{param}.content.{index}.type", f"the models served here do not take '{part.type}' parts."
                        )
                    if isinstance(part, ImagePart):
                        self.images.append(ImagePlace(f"{param}.content.{index}.image_url.url", part.image_url.url))
                    parts.append(part.model_dump(exclude_none=True, exclude={"prompt_cache_breakpoint"}))
        return parts[0]["text"] if len(parts) == 1 and "text" in parts[0] else parts
