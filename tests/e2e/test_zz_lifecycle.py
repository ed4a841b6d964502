"""How a cluster ends: on Ctrl-C, by ``ossature stop``, and by SIGKILL, after which the next start cleans up.

These run last: they end the shared cluster, then start one of their own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.runtime import processes, run_record
from tests.e2e.conftest import (
    OSSATURE,
    START_TIMEOUT_S,
    STOP_TIMEOUT_S,
    RunningCluster,
    SharedCluster,
    demo_model,
    environment,
    require_models,
    start,
    write_config,
)
from tests.e2e.process_table import engine_cores

pytestmark = pytest.mark.e2e

UNLOCKED_WITHIN_S = 10.0


def assert_nothing_is_left(data_dir: Path, run_id: str) -> None:
    assert processes.of_run(run_id) == []
    assert not (data_dir / "endpoints.json").exists()
    assert run_record.running(data_dir) is None


def test_ctrl_c_ends_the_cluster_in_order_and_leaves_nothing(running: RunningCluster, shared: SharedCluster) -> None:
    assert processes.of_run(running.run_id)
    assert shared.stop() == 0
    assert_nothing_is_left(running.data_dir, running.run_id)


@dataclass
class OwnCluster:
    """One replica of the demo model. ``run_ids``: of the lives that were seen."""

    config: Path
    data_dir: Path
    run_ids: list[str] = field(default_factory=list)

    def ossature(self, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        command = [OSSATURE, *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=timeout_s)

    def record(self) -> run_record.RunRecord:
        """Of the life that goes on."""
        record = run_record.running(self.data_dir)
        assert record is not None, "no process holds the data folder"
        self.run_ids.append(record.run_id)
        return record

    def answer(self) -> dict[str, Any]:
        endpoints = json.loads((self.data_dir / "endpoints.json").read_text())
        body = {"model": "gpt-oss-demo", "messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 4}
        authorization = {"Authorization": f"Bearer {endpoints['api_key']}"}
        url = f"{endpoints['http']}/v1/chat/completions"
        answer = httpx.post(url, json=body, headers=authorization, timeout=120, trust_env=False).raise_for_status()
        return dict(answer.json())

    def end(self) -> None:
        """Whatever a failed test has left."""
        if (record := run_record.running(self.data_dir)) is not None:
            self.run_ids.append(record.run_id)
            os.kill(record.pid, signal.SIGKILL)
        for run_id in self.run_ids:
            processes.end_all(run_id)


@pytest.fixture
def own(tmp_path: Path, shared: SharedCluster) -> Iterator[OwnCluster]:
    """The shared cluster is stopped for it: the machine has no room for the engines of both."""
    shared.stop()
    require_models()
    data_dir = tmp_path / "data"
    cluster = OwnCluster(write_config(tmp_path, data_dir, [demo_model(replicas=1)]), data_dir)
    try:
        yield cluster
    finally:
        cluster.end()


@pytest.mark.timeout(2 * START_TIMEOUT_S + 2 * STOP_TIMEOUT_S)
def test_a_killed_cluster_is_cleaned_up_by_the_next_start_and_stop_leaves_nothing(own: OwnCluster) -> None:
    detached = own.ossature("serve", "--detach", timeout_s=START_TIMEOUT_S)
    assert detached.returncode == 0, detached.stderr
    first = own.record()
    assert str(first.pid) in detached.stdout
    assert own.answer()["choices"]
    assert len(engine_cores(first.run_id)) == 1

    os.kill(first.pid, signal.SIGKILL)
    deadline = time.monotonic() + UNLOCKED_WITHIN_S
    while run_record.running(own.data_dir) is not None:
        assert time.monotonic() < deadline, "a dead process holds the data folder"
        time.sleep(0.1)
    assert (own.data_dir / "serve.json").exists(), "nothing tells the next start what to clean up"

    serving = start(own.config, own.data_dir, own.data_dir / "second.log")
    second = own.record()
    assert second.pid == serving.pid
    assert processes.of_run(first.run_id) == []
    assert len(engine_cores(second.run_id)) == 1
    assert own.answer()["choices"]

    stopped = own.ossature("stop", timeout_s=STOP_TIMEOUT_S)
    assert stopped.returncode == 0, stopped.stderr
    assert serving.wait(STOP_TIMEOUT_S) == 0
    assert_nothing_is_left(own.data_dir, second.run_id)
    assert processes.of_run(first.run_id) == []
