"""A worker's standard input, read on a thread, so that a CANCEL reaches work that is under way."""

from __future__ import annotations

import threading
from collections import deque
from typing import BinaryIO

from cluster.speech.workers import frames
from cluster.speech.workers.frames import Kind


class Inbox:
    """Messages in order. A CANCEL drops those before it and sets :attr:`cancelled` at once; the end of input ends the worker."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._messages: deque[tuple[Kind, bytes]] = deque()
        self._arrived = threading.Condition()
        self._ended = False
        #: Set from the arrival of a CANCEL until :meth:`next` hands it out.
        self.cancelled = threading.Event()
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def next(self) -> tuple[Kind, bytes] | None:
        """Wait for the next message; None when there will be none."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._messages or self._ended)
            if not self._messages:
                return None
            message = self._messages.popleft()
            if message[0] is Kind.CANCEL:
                self.cancelled.clear()
            return message

    def _read(self) -> None:
        try:
            while (message := frames.read(self._stream)) is not None:
                with self._arrived:
                    if message[0] is Kind.CANCEL:
                        self._messages.clear()
                        self.cancelled.set()
                    self._messages.append(message)
                    self._arrived.notify()
        finally:
            with self._arrived:
                self._ended = True
                self.cancelled.set()
                self._arrived.notify()
