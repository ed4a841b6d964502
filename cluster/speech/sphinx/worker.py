"""The process that a decoder runs in: ``python -m cluster.speech.sphinx.worker``, spoken to in ``workers/frames``.

BEGIN ``{"live"}`` starts an utterance, AUDIO (16 kHz) feeds it, SETTLE is answered with RESULT: ``{"words": [[word, start_ms,
end_ms, posterior], …], "work_s"}`` of all of it so far.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import BinaryIO, Final

from cluster.speech.sphinx.decoder import SphinxDecoder
from cluster.speech.workers import frames
from cluster.speech.workers.frames import Kind
from cluster.speech.workers.inbox import Inbox

#: Audio decoded in one go, after which a CANCEL is looked for: a quarter of a second.
_STEP_BYTES: Final = 2 * 16_000 // 4


def serve(commands: BinaryIO, output: BinaryIO) -> None:
    """Work until ``commands`` ends."""
    try:
        decoder = SphinxDecoder()
    except ImportError as error:
        frames.write(output, Kind.FAILED, f"the default recognizer needs the package pocketsphinx: {error}".encode())
        return
    frames.write(output, Kind.READY)
    inbox = Inbox(commands)
    work_s = 0.0
    while (message := inbox.next()) is not None:
        kind, payload = message
        if kind is Kind.CANCEL:
            frames.write(output, Kind.CANCELLED)
        elif kind is Kind.BEGIN:
            decoder.begin(live=json.loads(payload)["live"])
            work_s = 0.0
        elif kind is Kind.AUDIO:
            began = time.perf_counter()
            for at in range(0, len(payload), _STEP_BYTES):
                if inbox.cancelled.is_set():
                    break
                decoder.feed(payload[at : at + _STEP_BYTES])
            work_s += time.perf_counter() - began
        elif kind is Kind.SETTLE:
            began = time.perf_counter()
            words = decoder.settle()
            work_s += time.perf_counter() - began
            frames.write(output, Kind.RESULT, json.dumps({"words": words, "work_s": work_s}).encode())


def main() -> None:
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, output)
    except BrokenPipeError:
        os._exit(0)  # the owner is gone, and so is whoever would read of it


if __name__ == "__main__":
    main()
