"""What can happen to a session. Client events are inputs too (:data:`~cluster.realtime.protocol.client_events.ClientEvent`).

Audio is 16-bit mono PCM at 24 kHz here, whatever format the client speaks: drivers convert on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.inference.usage import Usage
from cluster.realtime.protocol.errors import EventRefused
from cluster.speech.contract import SpokenChunk, Transcript, TurnEvent


@dataclass(frozen=True, slots=True)
class EventInvalid:
    """A frame that is no event."""

    refusal: EventRefused


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed, as :attr:`~cluster.realtime.session.machine.SessionMachine.wakeup_s` asked for."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the turn detector heard."""

    event: TurnEvent


@dataclass(frozen=True, slots=True)
class RecognitionSettled:
    """What has been recognized, should the turn end here."""

    recognition_id: str
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class RecognitionFinished:
    recognition_id: str
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class RecognitionFailed:
    """``code`` and ``message`` may be shown."""

    recognition_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class TextGenerated:
    generation_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallGenerated:
    """A piece of a tool call. ``index``: which call of the answer; ``call_id`` and ``name`` come with its first piece."""

    generation_id: str
    index: int
    call_id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class GenerationEnded:
    """``finish_reason`` as in a chat completion: ``stop``, ``length``, ``tool_calls``, ``content_filter``."""

    generation_id: str
    finish_reason: str
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class GenerationFailed:
    """``type``, ``code``, ``message`` as in an HTTP error; they may be shown."""

    generation_id: str
    type: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SpeechMade:
    synthesis_id: str
    chunk: SpokenChunk


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    synthesis_id: str


@dataclass(frozen=True, slots=True)
class SpeechMakingFailed:
    synthesis_id: str
    code: str
    message: str


WorkResult = (
    RecognitionSettled
    | RecognitionFinished
    | RecognitionFailed
    | TextGenerated
    | ToolCallGenerated
    | GenerationEnded
    | GenerationFailed
    | SpeechMade
    | SpeechEnded
    | SpeechMakingFailed
)
"""What work that the session asked for has come to. Results of work that was cancelled meanwhile are ignored."""
