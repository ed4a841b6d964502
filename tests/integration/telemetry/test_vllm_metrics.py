"""vLLM's own metrics of two replicas of one model, through the exporter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.telemetry.multiprocess import ENVIRONMENT_VARIABLE, Owner
from tests import metrics_check
from tests.integration.telemetry.conftest import Node

pytestmark = pytest.mark.engine

MODEL_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "torch_dtype": "bfloat16",
}
LABELS = {"model_name": "m", "engine": "0"}


@pytest.fixture
def replicas(node: Node, tmp_path: Path) -> Iterator[list[int]]:
    """Process ids of two replicas."""
    (tmp_path / "config.json").write_text(json.dumps(MODEL_CONFIG))
    environment = os.environ | {
        ENVIRONMENT_VARIABLE: str(node.directory),
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.telemetry.vllm_replicas", str(tmp_path), "2"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        pids: list[int] = []
        while len(pids) < 2:
            line = process.stdout.readline()
            assert line, "the replicas did not start"
            if line.strip().isdecimal():
                pids.append(int(line))
        yield pids
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_vllms_metrics_of_two_replicas_arrive_whole(node: Node, replicas: list[int]) -> None:
    text = node.get()[0].decode()
    assert metrics_check.undocumented(text) == set()
    assert len([name for name in metrics_check.families(text) if name.startswith("vllm:")]) > 30
    running = {node.value("vllm:num_requests_running", replica=slot, **LABELS) for slot in "01"}
    assert running == {10, 11}
    assert node.value("vllm:num_requests_running", **LABELS) is None
    assert node.value("vllm:prompt_tokens_total", **LABELS) == 200
    assert node.value("vllm:time_to_first_token_seconds_count", **LABELS) == 2

    os.kill(replicas[0], signal.SIGKILL)
    owner = Owner(replicas[0], None)
    while owner.alive():
        time.sleep(0.01)
    after = {node.value("vllm:num_requests_running", replica=slot, **LABELS) for slot in "01"}
    assert after == {10, None} or after == {11, None}
    assert node.value("vllm:prompt_tokens_total", **LABELS) == 200
    assert node.value("vllm:time_to_first_token_seconds_count", **LABELS) == 2
