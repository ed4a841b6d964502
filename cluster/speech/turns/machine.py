"""Turn taking over frames of 32 ms, as a state machine without clocks or sound: probabilities go in, events come out.

A frame is *loud* when its probability of speech reaches the threshold and *quiet* when it is :data:`HYSTERESIS` below it; what
lies between counts as the frame before did. ``silence`` is the time since the end of the last loud frame. ``early`` and ``wait``
are ``early_silence_ms`` and the patience of the settings.

| state    | frame | and                  | next     | events                                       |
|----------|-------|----------------------|----------|----------------------------------------------|
| QUIET    | quiet |                      | QUIET    |                                              |
| QUIET    | loud  |                      | RISING   |                                              |
| RISING   | quiet |                      | QUIET    |                                              |
| RISING   | loud  | fewer than ONSET     | RISING   |                                              |
| RISING   | loud  | ONSET frames in line | SPEAKING | SpeechStarted                                |
| SPEAKING | loud  |                      | SPEAKING |                                              |
| SPEAKING | quiet | silence < early      | SPEAKING |                                              |
| SPEAKING | quiet | silence ≥ early      | DOUBTFUL | SpeechMaybeEnded                             |
| DOUBTFUL | loud  |                      | SPEAKING | SpeechResumed                                |
| DOUBTFUL | quiet | silence < wait       | DOUBTFUL |                                              |
| DOUBTFUL | quiet | silence ≥ wait       | QUIET    | SpeechStopped                                |

A quiet frame may pass through two rows: with ``wait ≤ early`` SpeechMaybeEnded and SpeechStopped come together. So between a
SpeechStarted and its SpeechStopped lies a SpeechMaybeEnded that no SpeechResumed follows, whatever the settings.

``wait`` is ``unknown_ms`` until :meth:`TurnMachine.judge` says how finished the speech of this pause sounds; then it lies between
``finished_ms`` and ``unfinished_ms``. For ``server_vad`` the three are equal.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cluster.speech.contract import VAD_FRAME_MS, SpeechMaybeEnded, SpeechResumed, SpeechStarted, SpeechStopped, TurnEvent
from cluster.speech.turns.settings import TurnSettings

#: Silero's own margin: speech that has begun ends at a lower probability than it began at.
HYSTERESIS: Final = 0.15
#: Loud frames that make a beginning: a click or a cough of one frame interrupts nobody.
ONSET: Final = 2


class State(StrEnum):
    QUIET = "quiet"
    RISING = "rising"
    SPEAKING = "speaking"
    DOUBTFUL = "doubtful"


class TurnMachine:
    """The table above. Positions are in ms from the first frame ever given, in steps of 32."""

    def __init__(self, settings: TurnSettings) -> None:
        self._state = State.QUIET
        self._now_ms = 0
        self._loud = False
        self._rising = 0
        self._last_loud_end_ms = 0
        #: Where the turn before ended: padding doesn't reach back over it.
        self._floor_ms = 0
        self.configure(settings)

    @property
    def state(self) -> State:
        return self._state

    @property
    def now_ms(self) -> int:
        """The end of the last frame."""
        return self._now_ms

    def configure(self, settings: TurnSettings) -> None:
        """Take other settings from the next frame on. A turn in progress goes on."""
        self._threshold = settings.threshold
        self._padding_ms = settings.prefix_padding_ms
        self._early_ms = settings.early_silence_ms
        self._patience = settings.patience
        self._wait_ms = self._patience.unknown_ms

    def restart(self) -> None:
        """Forget a turn in progress without an event (its audio was cleared or committed by hand). Positions go on."""
        self._state = State.QUIET
        self._loud = False
        self._rising = 0
        self._floor_ms = self._now_ms

    def judge(self, finished: float) -> None:
        """How finished the speech before this pause sounds, in [0, 1]. Holds for this pause; outside of one it does nothing."""
        if self._state is State.DOUBTFUL:
            share = min(max(finished, 0.0), 1.0)
            span_ms = self._patience.unfinished_ms - self._patience.finished_ms
            self._wait_ms = self._patience.unfinished_ms - round(share * span_ms)

    def frame(self, probability: float) -> list[TurnEvent]:
        """Take the next frame's probability of speech."""
        start_ms = self._now_ms
        self._now_ms += VAD_FRAME_MS
        self._loud = probability >= self._threshold or (self._loud and probability > self._threshold - HYSTERESIS)
        if self._loud:
            self._last_loud_end_ms = self._now_ms
            return self._on_loud(start_ms)
        return self._on_quiet()

    def _on_loud(self, start_ms: int) -> list[TurnEvent]:
        if self._state is State.SPEAKING:
            return []
        if self._state is State.DOUBTFUL:
            self._state = State.SPEAKING
            return [SpeechResumed(start_ms)]
        self._rising += 1
        self._state = State.RISING
        if self._rising < ONSET:
            return []
        self._state = State.SPEAKING
        onset_ms = self._now_ms - self._rising * VAD_FRAME_MS
        self._rising = 0
        return [SpeechStarted(max(onset_ms - self._padding_ms, self._floor_ms))]

    def _on_quiet(self) -> list[TurnEvent]:
        events: list[TurnEvent] = []
        silence_ms = self._now_ms - self._last_loud_end_ms
        if self._state is State.RISING:
            self._state = State.QUIET
            self._rising = 0
        if self._state is State.SPEAKING and silence_ms >= min(self._early_ms, self._patience.unknown_ms):
            self._state = State.DOUBTFUL
            self._wait_ms = self._patience.unknown_ms
            events.append(SpeechMaybeEnded(self._last_loud_end_ms))
        if self._state is State.DOUBTFUL and silence_ms >= self._wait_ms:
            self._state = State.QUIET
            self._floor_ms = self._now_ms
            events.append(SpeechStopped(self._now_ms))
        return events
