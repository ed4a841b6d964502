"""The process in which vLLM computes dies under load, below a replica that lives: a real engine, on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.cluster import MODEL, REPLICAS, running
from tests.chaos.figures import Figures, measured
from tests.chaos.load import Mix
from tests.integration.engine.tiny_model import make_tiny_llama

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

ON_CPU = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1"}
ENGINE = {
    "dtype": "float32",
    "enforce_eager": True,
    "block_size": 32,
    "max_num_seqs": 32,
    "max_model_len": 2048,
    "kv_cache_memory_bytes": 128 << 20,
}
CORE = "VLLM::EngineCore"
REPLACED_WITHIN_S = 300.0
OUTAGE_S = 1.0
STREAM_TOKENS = 800


def test_kill_engine_core(tmp_path: Path) -> None:
    """As with a whole replica: what had no byte is answered by the other one, streams end with an error event, both come back."""
    model = {
        "id": MODEL,
        "source": str(make_tiny_llama(tmp_path / "model")),
        "replicas": REPLICAS,
        "placement": {"cpus_per_worker": 0.1},
        "engine": ENGINE,
    }
    figures = Figures(
        "engine-core",
        "kill -9 of the engine core (vLLM on the CPU) of one of two replicas",
        "`ossature_engine_deaths_total`: OssatureEngineDeaths; `ossature_replicas_ready` -1",
    )
    with running(tmp_path, {"models": [model]}, command=("cluster.cli", "serve"), variables=ON_CPU) as cluster:
        cores = cluster.pids(CORE)
        assert len(cores) == REPLICAS
        with measured(cluster, figures, Mix(stream_tokens=STREAM_TOKENS)) as fault:
            victim = cluster.busiest(cores)
            fault.now()
            cluster.kill(victim)
            fault.until_whole(
                lambda: victim not in (cores := cluster.pids(CORE)) and len(cores) == REPLICAS and cluster.whole(),
                REPLACED_WITHIN_S,
            )
    figures.write()
    assert figures.refused == 0, "a request without a byte reached the client as an error"
    assert figures.lost == 0
    assert figures.cut_silent == 0, "a stream ended without a word"
    assert figures.cut_said >= 1, "the killed engine held no stream: the case has shown nothing"
    assert set(figures.reasons) == {"engine_failed"}
    assert figures.outage_s < OUTAGE_S
    assert figures.unrecorded == 0
