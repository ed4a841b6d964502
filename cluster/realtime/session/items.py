"""Items of a conversation, with what clients are not shown: heard words, audio, transcripts in the making."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from cluster.realtime.protocol import items as wire
from cluster.realtime.protocol.items import PartType, Role, Status
from cluster.realtime.protocol.structs import UNSET, UnsetType
from cluster.speech.heard import SpokenText


class Recognized(StrEnum):
    """What is known of the words in a user's audio."""

    NOT_NEEDED = "not_needed"
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class StoredPart:
    """``audio``: PCM at 24 kHz. ``audio_ms`` stays when the audio is forgotten."""

    type: PartType
    text: str = ""
    transcript: str | None = None
    audio: bytes | bytearray | None = None
    audio_ms: int = 0
    recognized: Recognized = Recognized.NOT_NEEDED


@dataclass(slots=True)
class StoredItem:
    """``response_id``: of the response that made it. ``spoken``: the words of an answer's audio by their samples, ``heard_chars``:
    how many characters of them the user has heard, ``None`` for all. ``forgotten``: the model is not given it any more.
    ``counted``: its audio was part of a response's usage.
    """

    id: str
    kind: Literal["message", "function_call", "function_call_output"]
    role: Role | None = None
    status: Status = "completed"
    parts: list[StoredPart] = field(default_factory=list)
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str = ""
    response_id: str | None = None
    spoken: SpokenText | None = None
    first_audio_s: float | None = None
    heard_chars: int | None = None
    truncated: bool = False
    forgotten: bool = False
    counted: bool = False

    @property
    def pending(self) -> bool:
        """Whether words of it are still being recognized."""
        return any(part.recognized is Recognized.PENDING for part in self.parts)

    @property
    def text_chars(self) -> int:
        """What it counts for against the limit on text, in characters; some for the item itself."""
        parts = sum(len(part.text) + len(part.transcript or "") for part in self.parts)
        return parts + len(self.arguments) + len(self.output) + len(self.name) + len(self.call_id) + 200

    @property
    def audio_bytes(self) -> int:
        return sum(len(part.audio) for part in self.parts if part.audio is not None)

    def forget_audio(self) -> None:
        for part in self.parts:
            part.audio = None

    def shown(self, *, with_audio: bool = False) -> wire.OwnItem:
        """As clients see it."""
        if self.kind == "function_call":
            return wire.FunctionCall(
                id=self.id,
                object="realtime.item",
                status=self.status,
                call_id=self.call_id,
                name=self.name,
                arguments=self.arguments,
            )
        if self.kind == "function_call_output":
            return wire.FunctionCallOutput(
                id=self.id, object="realtime.item", status=self.status, call_id=self.call_id, output=self.output
            )
        assert self.role is not None
        content = [_shown_part(part, with_audio=with_audio) for part in self.parts]
        return wire.Message(id=self.id, object="realtime.item", status=self.status, role=self.role, content=content)

    @classmethod
    def of(cls, item: wire.OwnItem, item_id: str) -> StoredItem:
        """An item that a client made. Its audio must be PCM at 24 kHz by now."""
        match item:
            case wire.FunctionCall():
                call_id = item.call_id if item.call_id is not UNSET else f"call_{item_id}"
                return cls(item_id, "function_call", call_id=call_id, name=item.name, arguments=item.arguments)
            case wire.FunctionCallOutput():
                return cls(item_id, "function_call_output", call_id=item.call_id, output=item.output)
            case wire.Message():
                return cls(item_id, "message", role=item.role, parts=[_stored(part) for part in item.content])


def _stored(part: wire.Part) -> StoredPart:
    audio = part.audio if isinstance(part.audio, bytes) and part.type == "input_audio" else None
    return StoredPart(
        type=part.type,
        text=_or(part.text),
        transcript=part.transcript if isinstance(part.transcript, str) else None,
        audio=audio,
        audio_ms=len(audio) // 48 if audio is not None else 0,
    )


def _or(text: str | UnsetType) -> str:
    return "" if text is UNSET else text


def _shown_part(part: StoredPart, *, with_audio: bool) -> wire.Part:
    if part.type in ("input_text", "output_text"):
        return wire.Part(type=part.type, text=part.text)
    shown: dict[str, object] = {}
    if with_audio and part.audio is not None:
        shown["audio"] = bytes(part.audio)
    if part.transcript is not None:
        shown["transcript"] = part.transcript
    return wire.Part(type=part.type, **shown)  # type: ignore[arg-type]
