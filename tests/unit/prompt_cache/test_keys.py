from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.prompt_cache.keys import derive_key, encode_fields

FIELDS = st.lists(st.one_of(st.none(), st.integers(), st.binary(max_size=20), st.text(st.characters(), max_size=20)), max_size=5)


@settings(deadline=None)
@given(FIELDS, FIELDS)
def test_different_field_lists_never_encode_alike(
    one: list[str | bytes | int | None], other: list[str | bytes | int | None]
) -> None:
    def typed(fields: list[str | bytes | int | None]) -> list[tuple[type, object]]:
        return [(type(field), field) for field in fields]

    assert (encode_fields(*one) == encode_fields(*other)) == (typed(one) == typed(other))


def test_moving_a_character_between_fields_changes_the_encoding() -> None:
    assert encode_fields("ab", "c") != encode_fields("a", "bc")
    assert encode_fields("a", None) != encode_fields("a", "")
    assert encode_fields("1") != encode_fields(1) != encode_fields(b"1")


def test_lone_surrogates_are_encoded_and_not_an_error() -> None:
    assert encode_fields("\ud800") != encode_fields("\ud801")


def test_keys_differ_by_purpose_and_by_secret() -> None:
    one, other = b"a" * 32, b"b" * 32
    keys = {derive_key(one, "salt"), derive_key(one, "tag"), derive_key(other, "salt"), derive_key(other, "tag")}
    assert len(keys) == 4
    assert all(len(key) == 32 for key in keys)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        derive_key(b"a" * 31, "salt")
