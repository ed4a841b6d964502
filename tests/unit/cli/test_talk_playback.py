"""What was really played, and where an interruption cuts it."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from cluster.cli.talking.playback import BYTES_PER_MS, Cut, Playback


def sound(ms: int, value: int = 1) -> bytes:
    return bytes([value]) * (BYTES_PER_MS * ms)


def test_audio_is_played_in_order_and_no_faster_than_it_is_pulled() -> None:
    playback = Playback()
    playback.push("first", 0, sound(30, 1))
    playback.finish("first", 0)
    playback.push("second", 0, sound(30, 2))
    assert playback.pull(20 * BYTES_PER_MS) == sound(20, 1)
    assert playback.pull(20 * BYTES_PER_MS) == sound(10, 1) + sound(10, 2)
    assert playback.pull(200 * BYTES_PER_MS) == sound(20, 2)
    assert playback.pull(BYTES_PER_MS) == b""
    assert not playback.idle, "more of the second may come"
    playback.finish("second", 0)
    assert playback.idle


def test_cut_is_at_what_was_played_and_later_answers_are_cut_whole() -> None:
    playback = Playback()
    playback.push("first", 0, sound(500))
    playback.finish("first", 0)
    playback.push("second", 1, sound(500))
    playback.pull(120 * BYTES_PER_MS)
    assert playback.flush() == [Cut("first", 0, 120), Cut("second", 1, 0)]
    assert playback.idle
    assert playback.pull(BYTES_PER_MS) == b""


def test_what_was_heard_to_its_end_is_not_cut() -> None:
    playback = Playback()
    playback.push("first", 0, sound(40))
    playback.finish("first", 0)
    playback.pull(40 * BYTES_PER_MS)
    assert playback.flush() == []


def test_answer_that_is_still_being_made_is_cut_at_what_there_was_of_it() -> None:
    playback = Playback()
    playback.push("first", 0, sound(40))
    playback.pull(400 * BYTES_PER_MS)
    assert playback.flush() == [Cut("first", 0, 40)]


def test_what_a_sound_card_still_holds_was_not_heard() -> None:
    playback = Playback(delay_ms=50)
    playback.push("first", 0, sound(500))
    playback.pull(120 * BYTES_PER_MS)
    assert playback.flush() == [Cut("first", 0, 70)]
    playback.push("second", 0, sound(500))
    playback.pull(20 * BYTES_PER_MS)
    assert playback.flush() == [Cut("second", 0, 0)]


def test_audio_that_was_on_its_way_when_its_item_was_stopped_is_not_played() -> None:
    playback = Playback()
    playback.push("first", 0, sound(40))
    playback.flush()
    playback.push("first", 0, sound(40))
    assert playback.pull(BYTES_PER_MS) == b""
    playback.push("second", 0, sound(40, 2))
    assert playback.pull(BYTES_PER_MS) == sound(1, 2)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=20), st.lists(st.integers(0, 40), max_size=20))
def test_nothing_is_lost_or_played_twice(pushed: list[tuple[str, int]], pulled_ms: list[int]) -> None:
    playback = Playback()
    for item, ms in pushed:
        playback.push(item, 0, sound(ms))
    played = sum(len(playback.pull(ms * BYTES_PER_MS)) for ms in pulled_ms)
    cuts = playback.flush()
    first = [ms for (item, ms) in pushed[: next((i for i, each in enumerate(pushed) if each[0] != pushed[0][0]), len(pushed))]]
    assert played == min(sum(pulled_ms), sum(first)) * BYTES_PER_MS, "of items that are not complete only the first is played"
    assert sum(cut.audio_end_ms for cut in cuts) * BYTES_PER_MS == played


def test_a_sound_card_may_pull_while_the_conversation_pushes_and_flushes() -> None:
    playback, heard, stop = Playback(), bytearray(), threading.Event()

    def card() -> None:
        while not stop.is_set():
            heard.extend(playback.pull(960))

    thread = threading.Thread(target=card)
    thread.start()
    cut_ms = 0
    for index in range(200):
        playback.push(f"item{index}", 0, sound(3))
        cut_ms += sum(cut.audio_end_ms for cut in playback.flush())
    stop.set()
    thread.join()
    assert len(heard) // BYTES_PER_MS >= cut_ms
    assert len(heard) <= 200 * 3 * BYTES_PER_MS
