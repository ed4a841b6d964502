from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import InvalidRequest
from cluster.inference.requests.json_body import MAX_OBJECT_KEYS, check_object, decode_object
from cluster.inference.requests.limits import RequestLimits

LIMITS = RequestLimits(max_json_depth=8, max_json_values=10_000)

_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_VALUES = st.recursive(_SCALARS | _TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4))
_OBJECTS = st.dictionaries(_TEXT, _VALUES, max_size=6)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(child) for child in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(child) for child in value), default=0)
    return 0


@given(_OBJECTS, st.booleans(), st.sampled_from([None, 1]))
def test_reads_what_json_writes_up_to_the_depth_limit(value: dict[str, object], ascii_only: bool, indent: int | None) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    if depth_of(value) > LIMITS.max_json_depth:
        with pytest.raises(InvalidRequest, match="nested deeper"):
            decode_object(data, LIMITS)
    else:
        assert decode_object(data, LIMITS) == value
        assert check_object(value, LIMITS) == value


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0dD89 ', max_size=60).map(str.encode))
def test_any_bytes_are_an_object_or_a_refusal(data: bytes) -> None:
    with suppress(InvalidRequest):
        assert isinstance(decode_object(data, LIMITS), dict)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ('{"a":1}'.encode("utf-16"), "not valid UTF-8"),
        (b'{"a":"\xff"}', "not valid UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":[-Infinity]}', "-Infinity is not a JSON number"),
        (b'{"a":1e999}', "out of range: 1e999"),
        (b'{"a":' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a":1,"a":2}', "the key 'a' twice"),
        (b'{"x":[{"b":1,"c":2,"b":1}]}', "the key 'b' twice"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"\\u0000":1}', "NUL"),
        (b'{"a":"\x00"}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "lone UTF-16 surrogate"),
        (b'{"a":"\\uDC00\\ud800"}', "lone UTF-16 surrogate"),
        (b'{"a":"\\ud83d\\ude00\\ud83d"}', "lone UTF-16 surrogate"),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "deeper than 8"),
        (b'{"a":' + b"[" * 5_000, "deeper than 8"),
        (b'{"a":"\\\\",' + b'"b":' + b"[" * 9 + b"]" * 9 + b"}", "deeper than 8"),
        (b'{"a":[' + b"1," * 10_000 + b"1]}", "more than 10000 values"),
        (b'{"a":[' + b"[]," * 6_000 + b"[]]}", "more than 10000 values"),
    ],
)
def test_refuses(data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        decode_object(data, LIMITS)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":"\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"a":"[[[[[[[[[[\\"[[[[[["}', {"a": '[[[[[[[[[["[[[[[['}),
        (b'{"a":"\\\\\\"[[[[[[[[[["}', {"a": '\\"[[[[[[[[[['}),
        (b'{"a":[[[[[[[]]]]]]]}', {"a": [[[[[[[]]]]]]]}),
        (b' {"a" : 1.5e3 } ', {"a": 1500.0}),
    ],
)
def test_reads(data: bytes, value: object) -> None:
    assert decode_object(data, LIMITS) == value


def test_objects_of_very_many_keys_are_refused() -> None:
    wide = {str(index): 1 for index in range(MAX_OBJECT_KEYS + 1)}
    for refuse in (lambda: decode_object(json.dumps(wide).encode(), RequestLimits()), lambda: check_object(wide, RequestLimits())):
        with pytest.raises(InvalidRequest, match="more than 10000 keys"):
            refuse()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": float("inf")}, "not finite"),
        ({"a": [float("nan")]}, "not finite"),
        ({"a": "\0"}, "NUL"),
        ({"\0": 1}, "NUL"),
        ({"a": {"b": "\ud800"}}, "surrogate"),
        ({1: 2}, "key that is not a string"),
        ({"a": [[[[[[[[1]]]]]]]]}, "deeper than 8"),
        ({"a": [1] * 10_001}, "more than 10000 values"),
    ],
)
def test_objects_that_were_never_json_meet_the_same_rules(value: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        check_object(value, LIMITS)
