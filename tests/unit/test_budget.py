"""Slow tests without a mark don't stay in the fast lane."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import budget

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
import time, pytest

def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass

def test_quick(): pass
def test_long(): burn(0.15)
@pytest.mark.slow
def test_marked(): burn(0.15)
def test_that_sleeps(): time.sleep(0.15)
@pytest.fixture
def dear(): burn(0.15)
def test_with_a_dear_fixture(dear): pass
def test_that_fails_itself(): burn(0.15); assert False, "of its own"
"""


HEAVY = "import torch\ndef test_quick(): pass\n"
SLOW_FILE = "import pytest\npytestmark = [pytest.mark.slow]\n" + HEAVY


def run_suite(folder: Path, *, returncode: int = 1, **environment: str) -> str:
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow: takes long\n")
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "tests.budget", "-p", "no:cacheprovider", str(folder)]
    clean = {name: value for name, value in os.environ.items() if name != budget.BUDGET_VARIABLE and "PYTEST_XDIST" not in name}
    environment = clean | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == returncode, done.stdout + done.stderr
    return done.stdout


def test_in_the_fast_lane_a_test_over_its_budget_fails_and_is_told_what_to_do(tmp_path: Path) -> None:
    output = run_suite(tmp_path, TEST_BUDGET_S="0.1")
    failed = [line.split(" - ")[0].split("::")[1] for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert sorted(failed) == ["test_long", "test_that_fails_itself", "test_with_a_dear_fixture"]
    assert "mark it `@pytest.mark.slow`" in output
    assert "of its own" in output


def test_elsewhere_a_test_may_take_as_long_as_it_needs(tmp_path: Path) -> None:
    output = run_suite(tmp_path)
    assert [line.split("::")[1].split(" ")[0] for line in output.splitlines() if line.startswith("FAILED")] == [
        "test_that_fails_itself"
    ]


def test_in_the_fast_lane_no_file_may_import_what_is_heavy_unless_it_is_slow_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "test_heavy.py").write_text(HEAVY)
    (tmp_path / "test_slow_file.py").write_text(SLOW_FILE)
    output = run_suite(tmp_path, returncode=2, TEST_BUDGET_S="10")
    assert [line.split(" ")[1] for line in output.splitlines() if line.startswith("ERROR")] == ["test_heavy.py"]
    assert "test_heavy.py imports torch, too long" in output


def test_properties_are_tried_with_fewer_examples_in_the_fast_lane_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(budget.BUDGET_VARIABLE, raising=False)
    assert [budget.examples(count) for count in (5, 60, 300)] == [5, 60, 300]
    monkeypatch.setenv(budget.BUDGET_VARIABLE, "3")
    assert [budget.examples(count) for count in (5, 60, 300)] == [5, 10, 37]
