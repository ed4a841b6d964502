"""What is alive when a process is ready is not looked at again."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from cluster import heap


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_later_collections_pass_over_what_was_alive() -> None:
    kept = [[number] for number in range(1000)]
    heap.settle()
    assert gc.get_freeze_count() >= len(kept)
    assert not any(kept is seen for seen in gc.get_objects())
    later = [kept]
    assert any(later is seen for seen in gc.get_objects())
