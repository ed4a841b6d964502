"""The processes of a real engine: killed, orphaned, in parallel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from cluster.engine.processes import read_state

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[3]


class Host:
    """A running ``host.py``; ``lines()`` yields what it tells."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                yield json.loads(line)

    def next(self) -> dict[str, Any]:
        for line in self.lines():
            return line
        raise AssertionError(f"the host ended early:\n{self._log.read_text()[-4000:]}")


@contextmanager
def host(scenario: str, folder: Path, tmp_path: Path, **environment: str) -> Iterator[Host]:
    log = tmp_path / "host.log"
    command = [sys.executable, "-m", "tests.integration.engine.host", scenario, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, cwd=ROOT) as process,
    ):
        try:
            yield Host(process, log)
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    state = read_state(pid)
    return state is not None and state.state not in "ZXx"


def test_a_killed_engine_process_ends_its_requests_and_fails_health_checks(tiny_llama: Path, tmp_path: Path) -> None:
    with host("killed", tiny_llama, tmp_path) as running:
        for victim in ("core", "worker"):
            told = running.next()
            assert told["victim"] == victim
            assert (told["fault"], told["later_fault"]) == ("engine_dead", "engine_dead")
            assert told["ended_s"] < 2.0
            assert told["health_s"] < 2.0
            assert running.next() == {"left": []}, "stop() leaves no process"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_no_engine_process_outlives_a_replica_that_is_killed_and_its_metrics_stay(tiny_llama: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    with host("orphaned", tiny_llama, tmp_path, PROMETHEUS_MULTIPROC_DIR=str(metrics)) as running:
        told = running.next()
        assert is_running(told["core"])
        assert is_running(told["worker"])
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(metrics))
        labels = {"model_name": "tiny", "engine": "5"}
        assert registry.get_sample_value("vllm:generation_tokens_total", labels) >= told["completion_tokens"]
        assert registry.get_sample_value("vllm:num_requests_running", labels) == 0
        running.process.send_signal(signal.SIGKILL)
        deadline_s = time.monotonic() + 5
        while is_running(told["core"]) or is_running(told["worker"]):
            assert time.monotonic() < deadline_s, "an engine process is an orphan"
            time.sleep(0.05)
        assert registry.get_sample_value("vllm:generation_tokens_total", labels) >= told["completion_tokens"]


def test_two_tensor_parallel_workers_answer_as_one(tiny_llama: Path, tmp_path: Path) -> None:
    with host("parallel", tiny_llama, tmp_path) as running:
        one, two = running.next(), running.next()
    assert (one["size"], two["size"]) == (1, 2)
    assert one["texts"] == two["texts"]
    assert all(one["texts"])
    assert two["workers"] == one["workers"] + 1 or two["workers"] == one["workers"] + 2


def test_an_engine_that_stops_leaves_another_of_the_same_process_alone(tiny_llama: Path, tmp_path: Path) -> None:
    with host("neighbours", tiny_llama, tmp_path) as running:
        assert running.next() == {"completion_tokens": 5}
        assert running.next() == {"left": []}
