from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.speech.text.clauses import MAX_CHARS, ClauseSplitter, clauses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure! I can do that.", ["Sure! ", "I can do that."]),
        ("Dr. Smith met Mrs. Jones. They talked.", ["Dr. Smith met Mrs. Jones. ", "They talked."]),
        ("It costs $3.50 or 1,234.5 yen. Fine.", ["It costs $3.50 or 1,234.5 yen. ", "Fine."]),
        ("Fruit, e.g. apples, i.e. these. Good.", ["Fruit, e.g. apples, ", "i.e. these. ", "Good."]),
        ('He said: "I like them." Then he left.', ['He said: "I like them." ', "Then he left."]),
        ("(It was late.) We left.", ["(It was late.) ", "We left."]),
        ("**Really?** Yes.", ["**Really?** ", "Yes."]),
        ("J. R. Smith wrote it. Ask him.", ["J. R. Smith wrote it. ", "Ask him."]),
        ("1. Take two eggs.\n2. Beat them.", ["1. Take two eggs.\n", "2. Beat them."]),
        ("See No. 5 or ask. The answer is no. Sorry.", ["See No. 5 or ask. ", "The answer is no. ", "Sorry."]),
        ("One\n\nTwo", ["One\n\n", "Two"]),
        ("Wait… what?! No.", ["Wait… ", "what?! ", "No."]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("It is v1.2.3 at example.com, ok?", ["It is v1.2.3 at example.com, ", "ok?"]),
    ],
)
def test_a_text_is_cut_where_a_speaker_would_pause(text: str, expected: list[str]) -> None:
    assert clauses(text) == expected


def test_the_first_piece_is_short_and_later_ones_are_not() -> None:
    text = "I looked at the list, and then I saw, by chance, that there was one more of them, which nobody had seen before."
    first, second, *_ = clauses(text)
    assert first == "I looked at the list, "
    assert second == "and then I saw, by chance, that there was one more of them, "


def test_a_sentence_is_not_certain_before_what_follows_it() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("It is 3.") == []
    assert splitter.push("5 metres long.") == []
    assert splitter.push(" ") == ["It is 3.5 metres long. "]


def test_text_without_punctuation_is_cut_between_words() -> None:
    text = "word " * 200
    pieces = clauses(text)
    assert max(map(len, pieces)) <= MAX_CHARS
    assert all(piece.endswith(" ") for piece in pieces)


def test_a_word_without_end_is_cut_all_the_same() -> None:
    assert max(map(len, clauses("a" * 5000))) <= MAX_CHARS


TEXTS = st.text(alphabet=st.sampled_from("ab. ,;:!?\"'()*-—–\n1…。Dr"), max_size=400)


@given(text=TEXTS, cuts=st.lists(st.integers(1, 30), max_size=30))
def test_the_pieces_joined_are_the_text_however_it_arrives(text: str, cuts: list[int]) -> None:
    splitter = ClauseSplitter()
    pieces: list[str] = []
    rest = text
    for size in cuts:
        pieces += splitter.push(rest[:size])
        rest = rest[size:]
    pieces += splitter.push(rest) + splitter.end()
    assert "".join(pieces) == text
    assert all(pieces)


@given(text=TEXTS)
def test_no_piece_is_longer_than_allowed(text: str) -> None:
    assert all(len(piece) <= MAX_CHARS for piece in clauses(text * 3)[:-1])
