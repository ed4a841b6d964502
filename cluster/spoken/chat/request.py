"""Chat requests with sound in them: audio in their messages, answers to be spoken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cluster.inference.requests import fields, problems
from cluster.inference.requests.chat import REFUSED, ChatCompletionRequest, ChatFields, check_combinations
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.requests.messages import AssistantMessage, AudioPart, UserMessage
from cluster.inference.requests.sound import AudioOutput, VoiceReference
from cluster.speech.audio.files import FileFormat
from cluster.spoken.speech_request import writable_format

#: Stands in the body of every chat request with sound that is not refused.
MARK: Final = b"audio"
_REFUSED: Final[Mapping[str, str]] = {name: why for name, why in REFUSED.items() if name != "audio"}


@dataclass(frozen=True, slots=True)
class Speaking:
    """How an answer is to be spoken."""

    voice: str | VoiceReference
    format: FileFormat


@dataclass(frozen=True, slots=True)
class SpokenChatRequest:
    """``given``: the fields of the body, with audio in the messages, and without what is said in ``speaking``."""

    given: ChatFields
    limits: RequestLimits
    speaking: Speaking | None

    @property
    def model(self) -> str:
        return self.given.model

    @property
    def stream(self) -> bool:
        return bool(self.given.stream)


def parsed(raw: bytes, limits: RequestLimits) -> ChatCompletionRequest | SpokenChatRequest:
    """Validate a body. What has no sound in it is an ordinary request. Raises :class:`~cluster.errors.InvalidRequest`."""
    given = fields.load(ChatFields, raw, _REFUSED, limits)
    speaking = _speaking(given)
    if speaking is None and not _has_audio(given):
        return ChatCompletionRequest.of(given, limits)
    given.audio = given.modalities = None
    check_combinations(given)
    return SpokenChatRequest(given, limits, speaking)


def _has_audio(given: ChatFields) -> bool:
    return any(
        (isinstance(message, AssistantMessage) and message.audio is not None)
        or (
            isinstance(message, UserMessage)
            and not isinstance(message.content, str)
            and any(isinstance(part, AudioPart) for part in message.content)
        )
        for message in given.messages
    )


def _speaking(given: ChatFields) -> Speaking | None:
    wanted = given.modalities is not None and "audio" in given.modalities
    if not wanted:
        if given.audio is not None:
            raise problems.combination("audio", "The 'audio' parameter is only allowed when 'modalities' has 'audio' in it.")
        return None
    if given.audio is None:
        raise problems.missing("audio")
    if given.n is not None and given.n > 1:
        raise problems.combination("n", "Only one answer can be spoken: leave 'n' out, or send 1.")
    _check_format(given.audio, stream=bool(given.stream))
    return Speaking(given.audio.voice, writable_format(given.audio.format, param="audio.format"))


def _check_format(audio: AudioOutput, *, stream: bool) -> None:
    if stream and audio.format != "pcm16":
        raise problems.unsupported_value("audio.format", "a streamed answer is spoken as 'pcm16'.")
