"""The cluster that the voice benches talk to: one that runs, or one of their own with the demo model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.live.ossature import Cluster
from bench.programs import ROOT, Unavailable
from models.demo.expand import DEFAULT_OUT

MODEL = "gpt-oss-demo"


@dataclass(frozen=True, slots=True)
class Served:
    """``own``: the cluster, where it was started for this."""

    url: str
    key: str
    model: str
    own: Cluster | None = None


@contextmanager
def served(endpoints: Path | None, realtime: Mapping[str, Any]) -> Iterator[Served]:
    """``endpoints``: file of a cluster that runs; without it one is started, with these ``realtime`` settings.

    Raises:
        Unavailable: the file or the demo model is missing, or the cluster does not start.
    """
    if endpoints is not None:
        if not endpoints.exists():
            raise Unavailable(f"{endpoints} is not there: no cluster runs (make run)")
        found = json.loads(endpoints.read_text())
        yield Served(found["http"], found["api_key"], MODEL)
        return
    source = ROOT / DEFAULT_OUT
    if not source.exists():
        raise Unavailable(f"{source} is not there (make models)")
    model = {
        "id": MODEL,
        "source": str(source),
        "placement": {"cpus_per_worker": 0.5},
        "environment": {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        "engine": {
            "dtype": "float32",
            "enforce_eager": True,
            "block_size": 32,
            "max_model_len": 8192,
            "max_num_seqs": 16,
            "kv_cache_memory_bytes": 256 << 20,
            "prefix_cache_retention_interval": 256,
        },
    }
    settings = {"ray": {"num_cpus": 2}, "models": [model], "realtime": dict(realtime), "speech": {"enabled": True}}
    cluster = Cluster("voice", settings)
    try:
        yield Served(cluster.endpoints["http"], cluster.endpoints["api_key"], MODEL, cluster)
    finally:
        cluster.stop()
