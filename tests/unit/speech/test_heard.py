from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import InvalidRequest
from cluster.speech.contract import SpokenChunk, TextMark
from cluster.speech.heard import SpokenText


def spoken() -> SpokenText:
    """ "One two. " in 1 s, "Three." in 1 s more."""
    item = SpokenText()
    item.begin("One two. ")
    item.add(SpokenChunk(bytes(24_000), (TextMark(3, 10_000),)))
    item.add(SpokenChunk(bytes(24_000), (TextMark(8, 20_000), TextMark(9, 24_000))))
    item.begin("Three.")
    item.add(SpokenChunk(bytes(48_000), (TextMark(6, 24_000),)))
    return item


@pytest.mark.parametrize(
    ("audio_end_ms", "heard"),
    [
        (0, ""),
        (416, ""),
        (417, "One"),
        (800, "One"),
        (834, "One two."),
        (1000, "One two. "),
        (1999, "One two. "),
        (2000, "One two. Three."),
    ],
)
def test_the_words_heard_are_those_whose_sound_was_over(audio_end_ms: int, heard: str) -> None:
    assert spoken().heard(audio_end_ms) == heard


@pytest.mark.parametrize("audio_end_ms", [-1, 2001, 10**12])
def test_positions_outside_of_the_audio_are_refused(audio_end_ms: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        spoken().heard(audio_end_ms)
    assert refused.value.param == "audio_end_ms"


def test_the_last_part_of_a_millisecond_is_heard_with_the_whole_ones() -> None:
    item = SpokenText()
    item.begin("Hi")
    item.add(SpokenChunk(bytes(2 * 24_023), (TextMark(2, 24_023),)))
    assert item.audio_ms == 1000
    assert item.heard(1000) == "Hi"
    assert item.heard(1001) == "Hi"


def test_asking_again_gives_the_same_answer() -> None:
    item = spoken()
    assert item.heard(900) == item.heard(900) == "One two."


def test_text_that_was_begun_but_not_spoken_was_not_heard() -> None:
    item = spoken()
    item.begin(" Four.")
    assert item.text == "One two. Three. Four."
    assert item.heard(2000) == "One two. Three."


def test_of_an_item_without_audio_nothing_was_heard() -> None:
    assert SpokenText().heard(0) == ""


@given(
    words=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 30_000)), min_size=1, max_size=20),
    asked=st.lists(st.integers(0, 100_000), min_size=2, max_size=10),
)
def test_who_hears_more_never_hears_fewer_words(words: list[tuple[int, int]], asked: list[int]) -> None:
    item = SpokenText()
    for length, samples in words:
        item.begin("x" * length)
        item.add(SpokenChunk(bytes(2 * samples), (TextMark(length, samples),)))
    counts = [item.chars_heard(samples) for samples in sorted(asked)]
    assert counts == sorted(counts)
    assert item.chars_heard(item.samples) == len(item.text)
