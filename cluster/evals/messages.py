"""Messages of model graders as the contract writes them (openapi.yaml: ``EvalItem``, ``CreateEvalItem``), and as a chat request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from cluster.inference.requests import problems
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.messages import CacheBreakpoint

MAX_PARTS = 64
MAX_TEXT_CHARS = 1 << 20

Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Render = Callable[[str, str], str]
"""``render(text, param)``: a template filled in; ``param`` is where it stands, in dotted form."""


class InputText(Strict):
    """``prompt_cache_breakpoint`` is taken and read back; caching here needs no marks."""

    type: Literal["input_text"]
    text: Text
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class OutputText(Strict):
    type: Literal["output_text"]
    text: Text


class InputImage(Strict):
    type: Literal["input_image"]
    image_url: Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS * 16)]
    detail: Literal["low", "high", "auto"] = "auto"


class AudioData(Strict):
    data: Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS * 32)]
    format: Literal["mp3", "wav"]


class InputAudio(Strict):
    type: Literal["input_audio"]
    input_audio: AudioData


Part = Annotated[
    Annotated[InputText, Tag("<input_text>")]
    | Annotated[OutputText, Tag("<output_text>")]
    | Annotated[InputImage, Tag("<input_image>")]
    | Annotated[InputAudio, Tag("<input_audio>")],
    problems.by_key("type", "input_text", "output_text", "input_image", "input_audio"),
]


def _part_kind(value: object) -> str | None:
    return "<text>" if isinstance(value, str) else "<part>" if isinstance(value, dict | Strict) else None


TextOrPart = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[Part, Tag("<part>")], problems.by_kind("a string or an object", _part_kind)
]


def _content_kind(value: object) -> str | None:
    return "<parts>" if isinstance(value, list) else _part_kind(value)


Content = Annotated[
    Annotated[Text, Tag("<text>")]
    | Annotated[Part, Tag("<part>")]
    | Annotated[Annotated[list[TextOrPart], Field(min_length=1, max_length=MAX_PARTS)], Tag("<parts>")],
    problems.by_kind("one of a string, an object or an array", _content_kind),
]


class EvalMessage(Strict):
    """One message. Text parts and image addresses may hold templates; audio data may too."""

    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    type: Literal["message"] = "message"

    def templates(self, param: str) -> list[tuple[str, str]]:
        """Every text that may hold a template, with where it stands: ``(param, text)``."""
        found: list[tuple[str, str]] = []

        def collect(text: str, where: str) -> str:
            found.append((where, text))
            return text

        self.to_chat(collect, param)
        return found

    def to_chat(self, render: Render, param: str) -> dict[str, Any]:
        """The message of a chat completion request, its templates filled in by ``render``."""
        where = f"{param}.content"
        if isinstance(self.content, str):
            content: object = render(self.content, where)
        elif isinstance(self.content, list):
            content = [_chat_part(part, render, f"{where}.{index}") for index, part in enumerate(self.content)]
        else:
            content = [_chat_part(self.content, render, where)]
        return {"role": self.role, "content": content}


def _chat_part(part: str | InputText | OutputText | InputImage | InputAudio, render: Render, where: str) -> dict[str, Any]:
    match part:
        case str():
            return {"type": "text", "text": render(part, where)}
        case InputText() | OutputText():
            return {"type": "text", "text": render(part.text, f"{where}.text")}
        case InputImage():
            address: dict[str, str] = {"url": render(part.image_url, f"{where}.image_url")}
            if "detail" in part.model_fields_set:
                address["detail"] = part.detail
            return {"type": "image_url", "image_url": address}
        case InputAudio():
            data = render(part.input_audio.data, f"{where}.input_audio.data")
            return {"type": "input_audio", "input_audio": {"data": data, "format": part.input_audio.format}}
