"""The order of a whole run: what fails fast comes first, and no cluster runs while others are tested."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["tests.budget"]

_SUITES = ("unit", "integration", "e2e", "chaos")
_LAST = "test_zz_"
"""Files of tests that end the shared cluster, and start clusters of their own."""
_TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit, integration, end-to-end; of the last, tests that kill parts of the shared cluster come late, those that end it last."""

    def rank(item: pytest.Item) -> tuple[int, bool, bool]:
        suite = item.path.relative_to(_TESTS).parts[0]
        return _SUITES.index(suite), item.path.name.startswith(_LAST), item.get_closest_marker("chaos") is not None

    items.sort(key=rank)
