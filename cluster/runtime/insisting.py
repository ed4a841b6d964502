"""Calls of Ray that may never come back, made again: on a Ray whose head was lost and is back, one to Serve's controller can."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cluster.runtime.preparation import StartError

TRIES = 3
TRY_S = 60.0
"""How long one is waited for, in seconds: many times what it takes."""
_LOOK_S = 0.1


def insistently(call: Callable[[], object], stop: threading.Event, try_s: float = TRY_S) -> None:
    """Make a call that may be made again, in a thread of its own, until one has come back or ``stop`` is set.

    Raises what it raises, and ``StartError`` when none of ``TRIES`` came back.
    """
    for _ in range(TRIES):
        attempt = _Attempt(call)
        deadline = time.monotonic() + try_s
        while time.monotonic() < deadline and not stop.is_set():
            if attempt.ended.wait(_LOOK_S):
                if attempt.error is not None:
                    raise attempt.error
                return
        if stop.is_set():
            return
    raise StartError(f"Ray Serve's controller has not answered within {TRIES * try_s:.0f} s.")


class _Attempt:
    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.ended = threading.Event()
        self.error: BaseException | None = None
        # A daemon: it may never end.
        threading.Thread(target=self._run, daemon=True, name="insisting").start()

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error
        finally:
            self.ended.set()
