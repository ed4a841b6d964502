"""Measurements that share a machine keep out of each other's way."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

from bench.exclusive import Exclusive


def is_held(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_the_lock_is_held_from_the_first_measurement_to_the_last(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Exclusive(path, hold_s=60.0) as exclusive:
        assert is_held(path)
        exclusive.pause()
        assert is_held(path)
    assert not is_held(path)


def test_one_who_waits_gets_in_when_it_has_been_held_for_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    order: list[str] = []

    def other() -> None:
        with Exclusive(path, hold_s=60.0):
            order.append("other")

    with Exclusive(path, hold_s=0.0) as exclusive:
        waiting = threading.Thread(target=other)
        waiting.start()
        order.append("first round")
        exclusive.pause()
        order.append("second round")
    waiting.join(10)
    assert order == ["first round", "other", "second round"]


def test_without_a_file_nothing_is_held() -> None:
    with Exclusive(None, hold_s=0.0) as exclusive:
        exclusive.pause()
