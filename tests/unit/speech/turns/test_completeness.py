from __future__ import annotations

import pytest

from cluster.speech.turns.completeness import FINISHED, UNFINISHED, UNSURE, finished


@pytest.mark.parametrize(
    "text", ["i would like four hundred strawberries", "yes", "Yes, please.", "what time is it?", "i do", "no", "stop"]
)
def test_whole_sentences_and_answers_sound_finished(text: str) -> None:
    assert finished(text) == FINISHED


@pytest.mark.parametrize(
    "text", ["i would like to order and", "give me the", "um", "could you", "so i was thinking um", "first,", "wait..."]
)
def test_sentences_that_break_off_sound_unfinished(text: str) -> None:
    assert finished(text) == UNFINISHED


def test_nothing_recognized_tells_nothing() -> None:
    assert finished("  ") == UNSURE
