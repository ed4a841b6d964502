from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.spoken.audio_ids import PREFIX, AudioIds

IDS = AudioIds.of(b"a" * 32)
OTHERS = AudioIds.of(b"b" * 32)


def test_an_id_is_its_transcript_until_it_expires() -> None:
    audio_id = IDS.made("org_a", "Grüße 🌍.", 1000)
    assert audio_id.startswith(PREFIX)
    assert IDS.transcript("org_a", audio_id, 999.9) == "Grüße 🌍."
    assert IDS.transcript("org_a", audio_id, 1000) is None


def test_it_is_bound_to_organization_and_cluster() -> None:
    audio_id = IDS.made("org_a", "Hello.", 1000)
    assert IDS.transcript("org_b", audio_id, 0) is None
    assert IDS.transcript("org_", audio_id, 0) is None
    assert OTHERS.transcript("org_a", audio_id, 0) is None


def test_ids_of_one_transcript_differ_and_show_none_of_it() -> None:
    first, second = (IDS.made("org_a", "Hello. " * 50, 1000) for _ in range(2))
    assert first != second
    assert len(first) < 200, "it is compressed"


@given(st.text(max_size=200))
def test_what_is_no_id_stands_for_nothing(text: str) -> None:
    assert IDS.transcript("org_a", text, 0) is None
    assert IDS.transcript("org_a", PREFIX + text, 0) is None


@given(st.integers(0, 120), st.integers(0, 7))
def test_one_changed_bit_makes_it_worthless(at: int, bit: int) -> None:
    audio_id = IDS.made("org_a", "Hello, this is an answer of some length.", 1000)
    at = len(PREFIX) + at % (len(audio_id) - len(PREFIX) - 1)
    changed = audio_id[:at] + chr(ord(audio_id[at]) ^ 1 << bit) + audio_id[at + 1 :]
    assert IDS.transcript("org_a", changed, 0) is None


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        AudioIds.of(b"short")
