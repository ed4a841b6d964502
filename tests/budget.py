"""The fast lane: what ``make test-fast`` asks of tests, so that it stays fast. A pytest plugin.

A file whose tests are all marked ``slow`` (``pytestmark``) isn't even imported there, and no other file may import what takes ten
seconds to load.

``TEST_BUDGET_S`` is the processor time that one test may use, in seconds, its fixtures and the processes that it has ended
included. A test that passes but uses more fails, unless it is marked ``slow``. Processor time and not time by the clock: a busy
machine fails nobody, and so a test that only sleeps isn't found.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

BUDGET_VARIABLE = "TEST_BUDGET_S"
SLOW = "slow"
HEAVY = ("torch", "vllm")
_SLOW_FILE = re.compile(rf"^pytestmark = .*\bpytest\.mark\.{SLOW}\b", re.MULTILINE)

_FAST_EXAMPLES = 8
_MIN_EXAMPLES = 10
_allowed = pytest.StashKey[float | None]()
_began = pytest.StashKey[float]()
_set_up = pytest.StashKey[float]()
_failed = pytest.StashKey[bool]()


def budget_s() -> float | None:
    """Processor seconds that a test may use, or ``None`` outside the fast lane."""
    value = os.environ.get(BUDGET_VARIABLE)
    return float(value) if value else None


def examples(count: int) -> int:
    """How many examples a property is tried with: ``count``, in the fast lane an eighth."""
    return count if budget_s() is None else min(count, max(_MIN_EXAMPLES, count // _FAST_EXAMPLES))


def cpu_s() -> float:
    """Processor time of this process, all its threads, and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_allowed] = budget_s()  # tests may change the environment
    # For properties that name no number of examples themselves.
    hypothesis.settings.register_profile("lane", max_examples=examples(100))
    hypothesis.settings.load_profile("lane")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.stash[_allowed] is None or not collection_path.match("test_*.py"):
        return None
    return True if _SLOW_FILE.search(collection_path.read_text()) else None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    loaded = {name for name in HEAVY if name in sys.modules}
    report = yield
    heavy = [name for name in HEAVY if name in sys.modules and name not in loaded]
    if heavy and isinstance(collector, pytest.Module) and collector.config.stash[_allowed] is not None and report.passed:
        report.outcome = "failed"
        report.longrepr = (
            f"{collector.nodeid} imports {' and '.join(heavy)}, too long for the fast lane. Import it in the tests that "
            f"need it and mark those `@pytest.mark.{SLOW}`, or mark the file: `pytestmark = pytest.mark.{SLOW}`."
        )
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_began] = cpu_s()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    allowed_s = item.config.stash[_allowed]
    if allowed_s is None or item.get_closest_marker(SLOW) is not None:
        return report
    used_s = cpu_s() - item.stash[_began]
    if not report.passed:
        item.stash[_failed] = True
    elif call.when == "setup":
        item.stash[_set_up] = used_s
    elif call.when == "teardown" and used_s > allowed_s and _failed not in item.stash:
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} used {used_s:.1f} s of processor time, {item.stash.get(_set_up, 0.0):.1f} s of it for fixtures; a test "
            f"of the fast lane may use {allowed_s:g} s ({BUDGET_VARIABLE}). Make it faster, share what is dear in a fixture of the "
            f"module or session, or mark it `@pytest.mark.{SLOW}`: `make test-fast` then leaves it out, `make test` runs it."
        )
    return report
