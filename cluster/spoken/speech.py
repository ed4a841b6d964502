"""The speech that a gateway's HTTP requests can have, and what it is counted and limited by."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.speech import SpeechSettings
from cluster.errors import ModelNotFound
from cluster.inference.accounting import Recorder
from cluster.speech.contract import Recognizer, Synthesizer, VoiceActivityDetector
from cluster.speech.errors import SpeechUnavailable
from cluster.spoken.audio_ids import AudioIds
from cluster.telemetry import labels

#: Names under which recognizer and synthesizer are offered: OpenAI's, which clients send, and our own. All of them stand for what
#: there is.
RECOGNITION_MODELS: Final = (
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe",
    "gpt-transcribe",
    "whisper-1",
    labels.SPEECH_TO_TEXT,
)
SYNTHESIS_MODELS: Final = ("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "tts-1", "tts-1-hd", labels.TEXT_TO_SPEECH)
_RETRY_AFTER_S: Final = 5.0


class SpeechObserver(Protocol):
    """Told of audio, for metrics. ``surface``: ``speech``, ``transcription`` or ``chat``."""

    def heard(self, surface: str, seconds: float) -> None:
        """So much audio was recognized."""
        ...

    def spoke(self, surface: str, seconds: float) -> None:
        """So much audio was made."""
        ...

    def first_audio(self, surface: str, seconds: float) -> None:
        """The first audio of an answer was made, so long after it was asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Speech:
    """``vad``: makes the detector of voice for one recording.

    ``limit``: requests of an organization, those for models included. ``audio_ids``: what spoken answers are referred to by.
    ``request_timeout_s``: longest life of a request. ``hearing_models`` take ``input_audio`` parts themselves.
    """

    recognizer: Recognizer | None
    synthesizer: Synthesizer | None
    vad: Callable[[], VoiceActivityDetector]
    settings: SpeechSettings
    limit: ConcurrencyLimit
    recorder: Recorder
    observer: SpeechObserver
    audio_ids: AudioIds
    request_timeout_s: float = 600.0
    hearing_models: Collection[str] = ()

    def listener(self) -> Recognizer:
        """Raises :class:`SpeechUnavailable`."""
        if self.recognizer is None:
            raise SpeechUnavailable("This cluster has no recognizer now.", retry_after_s=_RETRY_AFTER_S)
        return self.recognizer

    def speaker(self) -> Synthesizer:
        """Raises :class:`SpeechUnavailable`, also while the synthesizer has not told its voices yet."""
        if self.synthesizer is None or not self.synthesizer.voices:
            raise SpeechUnavailable("This cluster has no synthesizer now.", retry_after_s=_RETRY_AFTER_S)
        return self.synthesizer


def check_model(name: str, offered: Collection[str]) -> None:
    """Raises :class:`ModelNotFound`."""
    if name not in offered:
        raise ModelNotFound(
            f"The model {name[:128]!r} does not exist or you do not have access to it. For speech there are {', '.join(offered)}.",
            param="model",
        )
