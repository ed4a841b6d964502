"""Names of tuned models."""

from __future__ import annotations

import pytest

from cluster.errors import InvalidRequest
from cluster.tuned.names import TunedName


def test_a_name_says_base_organization_suffix_and_checkpoint() -> None:
    name = TunedName("org/base:7b", "org_a", "support", "0123456789abcdef")
    assert str(name) == "ft:org/base:7b:org_a:support:0123456789abcdef"
    assert str(name.checkpoint(120)) == "ft:org/base:7b:org_a:support:0123456789abcdef:ckpt-step-120"


@pytest.mark.parametrize("suffix", ["", "support", "v1.2_x-y"])
@pytest.mark.parametrize("step", [None, 0, 57])
def test_what_is_written_is_read_back(suffix: str, step: int | None) -> None:
    name = TunedName.new("gpt-oss-20b", "org_" + "a" * 32, suffix)
    name = name if step is None else name.checkpoint(step)
    assert TunedName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "gpt-oss-20b",
        "ft:base:org_a:x",
        "ft:base:org_a:x:0123456789ABCDEF",
        "ft:base:org_a:x:0123456789abcdef:ckpt-step-007",
        "ft:base:org_a:x:0123456789abcdef:ckpt-step-",
        "ft:base:org_a:x y:0123456789abcdef",
        "ft:base:org_a:x:0123456789abcdef\n",
        "ft:" + "b" * 300 + ":org_a:x:0123456789abcdef",
    ],
)
def test_other_texts_are_no_names(text: str) -> None:
    assert TunedName.parse(text) is None


def test_two_new_names_differ() -> None:
    assert TunedName.new("b", "org_a", "x") != TunedName.new("b", "org_a", "x")


@pytest.mark.parametrize("suffix", ["a:b", "x" * 65, "ä", "a b"])
def test_a_suffix_that_could_be_read_as_something_else_is_refused(suffix: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        TunedName.new("b", "org_a", suffix)
    assert refused.value.param == "suffix"


def test_a_name_fits_the_ledger_with_any_checkpoint() -> None:
    with pytest.raises(InvalidRequest):
        TunedName.new("b" * 128, "org_" + "a" * 32, "x" * 64)
