"""From a session's audio to its turns: resampling, framing, voice activity, :class:`~cluster.speech.turns.machine.TurnMachine`."""

from __future__ import annotations

import numpy as np

from cluster.speech.audio.resample import Resampler
from cluster.speech.contract import LISTENING_RATE_HZ, SAMPLE_RATE_HZ, VAD_FRAME_SAMPLES, Pcm, TurnEvent, VoiceActivityDetector
from cluster.speech.turns.machine import State, TurnMachine
from cluster.speech.turns.settings import TurnSettings


class TurnDetector:
    """One session's ears. The same audio gives the same events, however it is cut; a piece of a frame waits for its rest.

    Costs the processor time of one network pass every 32 ms of audio (about 0.15 ms), on the caller's thread.
    """

    def __init__(self, vad: VoiceActivityDetector, settings: TurnSettings, *, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._vad = vad
        self._machine = TurnMachine(settings)
        self._resampler = Resampler(rate_hz, LISTENING_RATE_HZ, quick=True)
        self._waiting = np.zeros(0, np.float32)

    @property
    def heard_ms(self) -> int:
        """Audio judged so far. Behind the audio that was fed by the frame in the making, 32 ms at most."""
        return self._machine.now_ms

    @property
    def speaking(self) -> bool:
        """Whether a turn is in progress."""
        return self._machine.state in (State.SPEAKING, State.DOUBTFUL)

    def configure(self, settings: TurnSettings) -> None:
        """Take other settings. A turn in progress goes on under them."""
        self._machine.configure(settings)

    def restart(self) -> None:
        """Forget a turn in progress without an event: its audio was cleared, or committed by hand. Positions go on."""
        self._machine.restart()
        self._vad.reset()

    def judge(self, finished: float) -> None:
        """How finished the speech before the present pause sounds, in [0, 1]: ``semantic_vad`` waits accordingly.

        May be called between a ``SpeechMaybeEnded`` and what follows it; otherwise it does nothing.
        """
        self._machine.judge(finished)

    def feed(self, pcm: Pcm) -> list[TurnEvent]:
        """Take the next audio, at the rate given at the beginning.

        Raises:
            InvalidRequest: an odd number of bytes.
        """
        samples = np.concatenate((self._waiting, self._resampler.push_floats(pcm)))
        whole = len(samples) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES
        self._waiting = samples[whole:]
        if not whole:
            return []
        events: list[TurnEvent] = []
        for probability in self._vad.probabilities(samples[:whole].reshape(-1, VAD_FRAME_SAMPLES)):
            events += self._machine.frame(probability)
        return events
