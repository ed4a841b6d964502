"""The speech that sessions on this gateway can have: whatever of it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster.realtime.session.limits import Abilities
from cluster.speech.contract import Pcm, Recognizer, Synthesizer, TurnEvent
from cluster.speech.turns.settings import TurnSettings


class Ears(Protocol):
    """A turn detector: :class:`cluster.speech.turns.detector.TurnDetector`."""

    def configure(self, settings: TurnSettings) -> None: ...

    def restart(self) -> None: ...

    def judge(self, finished: float) -> None: ...

    def feed(self, pcm: Pcm) -> Sequence[TurnEvent]: ...


class Cleaner(Protocol):
    """Noise reduction: :class:`cluster.speech.audio.noise.NoiseReducer`."""

    def push(self, pcm: Pcm) -> Pcm: ...


@dataclass(frozen=True, slots=True)
class SpeechStack:
    """``ears``: makes a turn detector for one session. ``cleaner``: makes noise reduction, by ``near_field`` or ``far_field``.

    ``timeout_s``: longest wait for a transcript, or for the next piece of speech, in seconds. ``default_voice``: of sessions that
    name none; unset, or none of the synthesizer's: its first.
    """

    recognizer: Recognizer | None = None
    synthesizer: Synthesizer | None = None
    ears: Callable[[TurnSettings], Ears] | None = None
    cleaner: Callable[[str], Cleaner] | None = None
    timeout_s: float = 15.0
    default_voice: str | None = None

    def abilities(self, context_tokens: int | None) -> Abilities:
        """``context_tokens``: of the model that answers."""
        voices = [voice.id for voice in self.synthesizer.voices] if self.synthesizer is not None else []
        voices.sort(key=lambda name: name != self.default_voice)
        return Abilities(
            recognition=self.recognizer is not None and self.ears is not None,
            synthesis=self.synthesizer is not None and bool(voices),
            voices=tuple(voices),
            languages=tuple(self.recognizer.languages) if self.recognizer is not None else (),
            context_tokens=context_tokens,
        )


NO_SPEECH = SpeechStack()
