from __future__ import annotations

import pytest

from cluster.speech.kokoro.phonemes import kokoro_symbols, phrases
from cluster.speech.kokoro.voices import ACCENTS


@pytest.mark.parametrize(
    ("ipa", "symbols"),
    [
        ("həlˈo^ʊ", "həlˈO"),
        ("t^ʃˈɜːt^ʃᵻz", "ʧˈɜɹʧᵻz"),
        ("d^ʒˈɔ^ɪfəli", "ʤˈYfəli"),
        ("wˈɔːɾɚɹ ˈa^ʊt", "wˈɔTəɹ ˈWt"),
        ("bˈʌʔn̩", "bˈʌtᵊn"),
        ("lˈɪɾə^l", "lˈɪTᵊl"),
        ("fˈoː^ɹ", "fˈɔɹ"),
        ("na^ɪn fˈe^ɪs", "nIn fˈAs"),
    ],
)
def test_american_sounds_have_kokoros_symbols(ipa: str, symbols: str) -> None:
    assert kokoro_symbols(ipa, ACCENTS["a"]) == symbols


@pytest.mark.parametrize(("ipa", "symbols"), [("həlˈə^ʊ", "həlˈQ"), ("ðˈe^ə", "ðˈɛː"), ("fˈɔː", "fˈɔː")])
def test_british_sounds_have_kokoros_symbols(ipa: str, symbols: str) -> None:
    assert kokoro_symbols(ipa, ACCENTS["b"]) == symbols


def test_marks_of_a_change_of_language_are_left_out() -> None:
    assert kokoro_symbols("fɛtˈil (^e^n)wiːkˈɛnd(^f^r) bɔ̃ʒˈuʁ", ACCENTS["f"]) == "fɛtˈil wiːkˈɛnd bɔ̃ʒˈuʁ"
    assert kokoro_symbols("(en)wiːkˈɛnd(fr)", ACCENTS["f"]) == "wiːkˈɛnd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there.", [("Hello there", ".")]),
        ('Well, "I paid" it; yes!', [("Well", ', "'), ("I paid", '"'), ("it", ";"), ("yes", "!")]),
        ("Dr. Smith paid $3.50 at 10:30.", [("Dr. Smith paid $3.50 at 10:30", ".")]),
        ("no mark at all", [("no mark at all", "")]),
        ("What?! Really...", [("What", "?!"), ("Really", "...")]),
        ("(aside) then", [("", "("), ("aside", ")"), ("then", "")]),
    ],
)
def test_text_is_cut_where_punctuation_is_heard(text: str, expected: list[tuple[str, str]]) -> None:
    found = phrases(text)
    assert [(phrase.words, phrase.mark) for phrase in found] == expected
    assert "".join(text[phrase.begin : phrase.end] for phrase in found) == text
