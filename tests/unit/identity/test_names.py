"""Names of organizations, projects and keys."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import InvalidRequest
from cluster.identity.names import clean_name


@pytest.mark.parametrize("name", ["acme", "Grüße & Söhne", "株式会社", "👩‍🚀 crew", "'; DROP TABLE organizations; --", "x" * 100])
def test_printable_names_stay_as_they_are(name: str) -> None:
    assert clean_name(name) == name


def test_names_that_look_equal_are_equal() -> None:
    assert clean_name("  Cafe\u0301 ") == clean_name("Caf\u00e9") == "Caf\u00e9"


@pytest.mark.parametrize("name", ["", " \t ", "x" * 101, "a\x00b", "a\x1b[31m", "a\u2028b", "\ud800", "a\u202etxt.exe", "\u2066x"])
def test_names_that_are_empty_long_or_deceptive_are_refused_with_their_field(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        clean_name(name, param="project.name")
    assert caught.value.param == "project.name"
    assert caught.value.status == 400


@pytest.mark.parametrize("name", [None, 7, ["a"], b"a"])
def test_what_is_no_text_is_refused(name: object) -> None:
    with pytest.raises(InvalidRequest):
        clean_name(name)  # type: ignore[arg-type]


@given(st.text(max_size=500))
def test_every_text_is_either_refused_or_stored_in_a_stable_printable_form(name: str) -> None:
    try:
        cleaned = clean_name(name)
    except InvalidRequest:
        return
    assert 1 <= len(cleaned) <= 100
    assert clean_name(cleaned) == cleaned == unicodedata.normalize("NFC", cleaned)
    cleaned.encode()  # no lone surrogates: PostgreSQL takes it
    assert "\x00" not in cleaned
