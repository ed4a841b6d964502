from __future__ import annotations

import pytest

from bench.voice.error_rate import Errors, compare


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a x c", 1),
        ("a b c", "a c", 1),
        ("a b c", "a b b c", 1),
        ("a b c", "", 3),
        ("a b", "x y z", 3),
        ("", "", 0),
    ],
)
def test_wrong_missing_and_added_words_count_once(said: str, heard: str, wrong: int) -> None:
    assert compare(said, heard) == Errors(len(said.split()), wrong)


def test_errors_add_up_over_utterances() -> None:
    total = compare("a b c d", "a b c d") + compare("e f", "e x")
    assert total.rate == pytest.approx(1 / 6)
    assert Errors().rate == 0
