"""A call that never comes back is made again, and one that fails is not."""

from __future__ import annotations

import threading

import pytest

from cluster.runtime.insisting import TRIES, insistently
from cluster.runtime.preparation import StartError

TRY_S = 0.2


class Calls:
    """The first ``lost`` of them never come back, while the test runs."""

    def __init__(self, lost: int, error: Exception | None = None) -> None:
        self.made = 0
        self._lost = lost
        self._error = error
        self.over = threading.Event()

    def __call__(self) -> None:
        self.made += 1
        if self.made <= self._lost:
            self.over.wait()
        elif self._error is not None:
            raise self._error


@pytest.mark.parametrize("lost", [0, 1, TRIES - 1])
def test_lost_calls_are_made_again(lost: int) -> None:
    calls = Calls(lost)
    insistently(calls, threading.Event(), TRY_S)
    assert calls.made == lost + 1
    calls.over.set()


def test_there_is_an_end_to_it() -> None:
    calls = Calls(1000)
    with pytest.raises(StartError, match="has not answered within"):
        insistently(calls, threading.Event(), TRY_S)
    assert calls.made == TRIES
    calls.over.set()


def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(KeyError):
        insistently(calls := Calls(1, KeyError("x")), threading.Event(), TRY_S)
    assert calls.made == 2
    calls.over.set()


def test_who_stops_meanwhile_waits_no_longer() -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    insistently(calls := Calls(1000), stop, 3600)
    assert calls.made == 1
    calls.over.set()
