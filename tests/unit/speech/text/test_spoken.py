from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.speech.text.spoken import spoken_form


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Bold**, _soft_ and `code`.", "Bold, soft and code."),
        ("# Heading", "Heading"),
        ("- an item", "an item"),
        ("- [x] done", "done"),
        ("> quoted", "quoted"),
        ("See [the docs](https://a.example/x_y) now", "See the docs now"),
        ("![a cat](cat.png)", "a cat"),
        ("Go to https://www.example.com/a/b?c=d.", "Go to example.com"),
        ("```python\nprint(1)\n```", "print(1) "),
        ("a | b | c", "a b c"),
        ("Great 😀👍🏽 job ✅!", "Great job !"),
        ("snake_case stays", "snake_case stays"),
        ("two — three – four", "two, three, four"),
        ("pages 3–5", "pages 3 to 5"),
        ("salt & pepper", "salt and pepper"),
        ("£5.50 and €1,200", "5.50 pounds and 1,200 euros"),
        ("20°C outside", "20 degrees Celsius outside"),
        ("“quoted” it’s", '"quoted" it\'s'),
        ("5 * 3 ** 2", "5 3 2"),
        ("café über naïve straße", "cafe uber naive strasse"),
        ("日本 hi", "hi"),
        ("bell\x07 and\u200b zero", "bell and zero"),
    ],
)
def test_only_what_has_a_sound_is_spoken(written: str, spoken: str) -> None:
    assert spoken_form(written, ascii_only=True).text == spoken


def test_other_scripts_stay_for_synthesizers_that_know_them() -> None:
    assert spoken_form("日本 café 😀").text == "日本 café "


def test_a_spoken_word_knows_where_it_was_written() -> None:
    written = "**Hello** [big](https://x.example) 😀 world"
    form = spoken_form(written)
    assert form.text == "Hello big world"
    assert written[: form.written_end(5)] == "**Hello"
    assert written[: form.written_end(9)] == "**Hello** [big"
    assert form.written_end(len(form.text)) == len(written)
    assert form.written_end(0) == 0


@pytest.mark.parametrize("silent", ["", " \n", "😀", "***", "...", "—", "```"])
def test_text_without_letters_or_digits_has_no_sound(silent: str) -> None:
    assert not spoken_form(silent, ascii_only=True).has_sound


@given(st.text(max_size=200), st.booleans())
def test_any_text_maps_back_into_itself_in_order(written: str, ascii_only: bool) -> None:
    form = spoken_form(written, ascii_only=ascii_only)
    assert len(form.ends) == len(form.text)
    assert list(form.ends) == sorted(form.ends)
    assert all(1 <= end <= len(written) for end in form.ends)
    if ascii_only:
        assert form.text.isascii()
