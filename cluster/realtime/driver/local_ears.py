"""Turn detection and noise reduction beside the socket: 0.15 ms of processor time for 32 ms of audio, too little to send away."""

from __future__ import annotations

from collections.abc import Callable

from cluster.realtime.driver.speech import SpeechStack
from cluster.speech.audio.noise import NoiseReducer, NoiseReduction
from cluster.speech.contract import Recognizer, Synthesizer, VoiceActivityDetector
from cluster.speech.turns.detector import TurnDetector
from cluster.speech.turns.settings import TurnSettings


def speech_stack(
    recognizer: Recognizer | None,
    synthesizer: Synthesizer | None,
    vad: Callable[[], VoiceActivityDetector],
    *,
    timeout_s: float = 15.0,
    default_voice: str | None = None,
) -> SpeechStack:
    """A stack that listens in this process. ``vad``: makes one session's detector of voice. The rest: as in the stack."""

    def ears(settings: TurnSettings) -> TurnDetector:
        return TurnDetector(vad(), settings)

    def cleaner(kind: str) -> NoiseReducer:
        return NoiseReducer(NoiseReduction(kind))

    return SpeechStack(recognizer, synthesizer, ears, cleaner, timeout_s, default_voice)
