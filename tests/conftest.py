"""The order of a whole run: what fails fast comes first, and no cluster runs while others are tested."""

from __future__ import annotations

from pathlib import Path

import pytest

_SUITES = ("unit", "integration", "e2e")
_LIFECYCLE = "test_zz_lifecycle.py"
_TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit, integration, end-to-end; of the last, tests that kill parts of the shared cluster come late, those that end it last."""

    def rank(item: pytest.Item) -> tuple[int, bool, bool]:
        suite = item.path.relative_to(_TESTS).parts[0]
        return _SUITES.index(suite), item.path.name == _LIFECYCLE, item.get_closest_marker("chaos") is not None

    items.sort(key=rank)
