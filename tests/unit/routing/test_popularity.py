from __future__ import annotations

import pytest

from cluster.routing.popularity import Popularity


def test_requests_count_less_the_longer_ago_they_were() -> None:
    popularity = Popularity(10)
    assert popularity.asked(b"a", 0.0, 60.0) == 1.0
    assert popularity.asked(b"a", 0.0, 60.0) == 2.0
    assert popularity.asked(b"a", 60.0, 60.0) == pytest.approx(1.0 + 2.0 / 2.718, rel=0.001)
    assert popularity.asked(b"b", 60.0, 60.0) == 1.0


def test_at_a_steady_rate_it_is_about_the_requests_in_the_span() -> None:
    popularity = Popularity(10)
    for number in range(5000):
        count = popularity.asked(b"a", number * 0.5, 60.0)
    assert count == pytest.approx(120.0, rel=0.02)


def test_the_prefix_that_was_not_asked_for_the_longest_is_forgotten_first() -> None:
    popularity = Popularity(2)
    for prefix in (b"a", b"b", b"a", b"c"):
        popularity.asked(prefix, 0.0, 60.0)
    assert len(popularity) == 2
    assert popularity.asked(b"a", 0.0, 60.0) == 3.0
    assert popularity.asked(b"b", 0.0, 60.0) == 1.0
