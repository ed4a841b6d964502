from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.prompt_cache import shown_cached_tokens


@pytest.mark.parametrize(
    ("prompt", "cached", "shown"),
    [
        (1023, 1008, 0),
        (1024, 1008, 896),
        (1024, 1024, 1024),
        (2006, 1984, 1920),
        (2006, 127, 0),
        (2006, 128, 128),
        (5000, 0, 0),
        (1100, 4000, 1024),
        (0, 0, 0),
    ],
)
def test_hits_show_from_1024_prompt_tokens_in_steps_of_128(prompt: int, cached: int, shown: int) -> None:
    assert shown_cached_tokens(prompt, cached) == shown


@settings(deadline=None)
@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_what_is_shown_never_exceeds_what_was_reused_nor_the_prompt(prompt: int, cached: int) -> None:
    shown = shown_cached_tokens(prompt, cached)
    assert 0 <= shown <= min(prompt, cached)
    assert shown % 128 == 0
    assert prompt < 1024 or min(prompt, cached) - shown < 128


@pytest.mark.parametrize(("prompt", "cached"), [(-1, 0), (2000, -1)])
def test_negative_counts_are_refused(prompt: int, cached: int) -> None:
    with pytest.raises(ValueError, match="negative"):
        shown_cached_tokens(prompt, cached)
