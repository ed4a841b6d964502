"""The bench models do what they are for: a cold prompt takes over a second, and a cached one far less."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.bench.make import make
from models.bench.shapes import BENCH_MODELS, BenchModel

pytestmark = pytest.mark.engine

PROMPT_TOKENS = 2000
SHARED_TOKENS = 1900


@pytest.mark.parametrize("model", BENCH_MODELS, ids=lambda model: model.name)
def test_cold_prompt_takes_over_a_second_and_a_shared_prefix_is_cached(model: BenchModel) -> None:
    make(Path(".models"), model)
    # A process of its own: vLLM reads its environment on import and keeps its memory until the end.
    command = [sys.executable, "-m", "models.bench.measure", "--model", model.name, "--tokens", str(PROMPT_TOKENS)]
    finished = subprocess.run(
        [*command, "--shared", str(SHARED_TOKENS), "--json"], capture_output=True, text=True, timeout=400, check=False
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    measured = json.loads(finished.stdout.splitlines()[-1])
    assert measured["cold_s"] > 1.0
    assert measured["cold_cached_tokens"] == 0
    assert measured["warm_cached_tokens"] >= SHARED_TOKENS * 0.8
    assert measured["warm_cached_tokens"] <= SHARED_TOKENS
    assert measured["cold_s"] / measured["warm_s"] >= 3.0
