"""The two measurements of a gateway's own part still start, and count what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.slow


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_request_costs_something_most_of_it_on_the_event_loop() -> None:
    output = run("bench/request_cost.py", "--requests", "64", "--rounds", "1", "--against", str(ROOT))
    figures = [float(line.split()[1]) for line in output.splitlines()]
    here, there, ratio, here_on_loop, _, _ = figures
    assert ratio == pytest.approx(here / there, rel=0.05)
    assert 100 < here_on_loop <= here < 100_000


def test_a_request_that_is_traced_costs_more() -> None:
    output = run("bench/request_cost.py", "--requests", "400", "--rounds", "3", "--traced", "1.0")
    ratio = float(output.splitlines()[2].split()[1])
    assert 1.02 < ratio < 5


def test_a_gateway_under_load_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    run("-m", "bench.gateway", "--rounds", "1", "--duration-s", "0.4", "--json", str(path))
    medians = json.loads(path.read_text())["medians"]
    assert medians["us/request of 600 B"] > 50
    assert medians["us/request of 600 KB"] > medians["us/request of 600 B"]
