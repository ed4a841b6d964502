"""The process that flite runs in: ``python -m cluster.speech.flite.worker VOICE…``, spoken to in ``workers/frames``.

BEGIN ``{"text", "voice", "pitch", "length"}`` is answered with MARKS ``[[characters, sample], …]``, AUDIO (16 kHz) and END. Silence
before the first word is cut to :data:`LEAD_SAMPLES`: a listener would only wait for it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import BinaryIO, Final

from cluster.speech.flite.library import RATE_HZ, Flite, FliteMissing, Plan
from cluster.speech.workers import frames
from cluster.speech.workers.frames import Kind
from cluster.speech.workers.inbox import Inbox

#: 40 ms: enough for a soft beginning.
LEAD_SAMPLES: Final = RATE_HZ * 40 // 1000


def marks_of(text: str, plan: Plan, cut_samples: int) -> list[tuple[int, int]]:
    """For each word in order: the characters of ``text`` up to its end, punctuation included, and the sample after the cut."""
    marks: list[tuple[int, int]] = []
    position = 0
    sample = 0
    for token in plan.tokens:
        found = text.find(token.name, position)
        if found >= 0:
            position = found + len(token.name)
            if text.startswith(token.behind, position):
                position += len(token.behind)
        sample = max(sample, token.sample_end - cut_samples)
        marks.append((position, sample))
    return marks


class _Utterance:
    """One text on its way out."""

    def __init__(self, text: str, inbox: Inbox, output: BinaryIO) -> None:
        self._text = text
        self._inbox = inbox
        self._output = output
        self._cut_bytes = 0

    def on_plan(self, plan: Plan) -> None:
        cut_samples = max(plan.silence_end - LEAD_SAMPLES, 0)
        self._cut_bytes = 2 * cut_samples
        frames.write(self._output, Kind.MARKS, json.dumps(marks_of(self._text, plan, cut_samples)).encode())

    def on_samples(self, samples: bytes) -> bool:
        kept = samples[self._cut_bytes :]
        self._cut_bytes -= len(samples) - len(kept)
        if kept:
            frames.write(self._output, Kind.AUDIO, kept)
        return not self._inbox.cancelled.is_set()


def serve(voices: list[str], commands: BinaryIO, output: BinaryIO) -> None:
    """Work until ``commands`` ends."""
    try:
        flite = Flite()
        for voice in voices:
            flite.load(voice)
    except FliteMissing as missing:
        frames.write(output, Kind.FAILED, str(missing).encode())
        return
    frames.write(output, Kind.READY)
    inbox = Inbox(commands)
    while (message := inbox.next()) is not None:
        kind, payload = message
        if kind is Kind.CANCEL:
            frames.write(output, Kind.CANCELLED)
        elif kind is Kind.BEGIN:
            order = json.loads(payload)
            utterance = _Utterance(order["text"], inbox, output)
            flite.speak(
                order["text"],
                order["voice"],
                pitch=order["pitch"],
                length=order["length"],
                on_plan=utterance.on_plan,
                on_samples=utterance.on_samples,
            )
            frames.write(output, Kind.END)


def main() -> None:
    # Flite prints to standard output when it is unhappy; the messages get a descriptor of their own.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.argv[1:], sys.stdin.buffer, output)
    except BrokenPipeError:
        os._exit(0)  # the owner is gone, and so is whoever would read of it


if __name__ == "__main__":
    main()
