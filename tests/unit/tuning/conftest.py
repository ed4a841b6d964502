"""Tests marked ``tuning`` train: they need the extra, and tiny models."""

from __future__ import annotations

import pytest

from cluster.tuning.training.job import missing_packages


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = missing_packages()
    if missing and item.get_closest_marker("tuning"):
        pytest.skip(f"the extra `tuning` is not installed ({', '.join(missing)}): scripts/setup.sh --tuning")
