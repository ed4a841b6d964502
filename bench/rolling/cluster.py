"""A cluster for these measurements, whose configuration can be changed while it runs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from bench.fakes.profile import START_VARIABLE
from bench.live.ossature import ray_port_ranges
from bench.programs import FOLDER, ROOT, Program, free_ports
from bench.rolling.report import Phase

MODEL = "bench-qwen3"
NUM_CPUS = 4.0
_START_S = 900.0
_GRACE_S = 300.0


def model(
    *,
    fake: bool,
    upgrade: str = "replace",
    start_s: float = 0.0,
    grace_s: float = _GRACE_S,
    cpus: float = 0.25,
    **scale: Any,
) -> dict[str, Any]:
    """``start_s``: how long a fake engine takes to start, in seconds; ``grace_s``: of a replica that ends, in seconds.

    ``cpus``: what it takes of Ray's ``NUM_CPUS``. ``scale``: ``replicas`` or ``autoscaling``.
    """
    found: dict[str, Any] = {
        "id": MODEL,
        "source": str(ROOT / ".models" / MODEL),
        **scale,
        "upgrade": upgrade,
        "max_ongoing_requests": 64,
        "graceful_shutdown_timeout_s": grace_s,
        "placement": {"cpus_per_worker": cpus},
    }
    if fake:
        return found | {"environment": {START_VARIABLE: str(start_s)}}
    return found | {
        "environment": {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        "engine": {
            "dtype": "float32",
            "enforce_eager": True,
            "block_size": 32,
            "max_num_seqs": 64,
            "max_model_len": 2048,
            "kv_cache_memory_bytes": 268435456,
            "load_format": "dummy",
        },
    }


class Cluster(Program):
    """A cluster whose configuration can be changed while it runs."""

    def __init__(self, *, fake: bool) -> None:
        self._folder = folder = FOLDER / "run" / "rolling"
        shutil.rmtree(folder, ignore_errors=True)
        self._inbox = folder / "inbox"
        self._inbox.mkdir(parents=True)
        self._number = 0
        self._fake = fake
        http, grpc, metrics = free_ports(3)
        self._settings: dict[str, Any] = {
            "data_dir": str(folder / "data"),
            "http": {"port": http},
            "grpc": {"port": grpc},
            "metrics": {"port": metrics},
            "ray": {"num_cpus": NUM_CPUS},
            "gateway": {"replicas": 2, "graceful_shutdown_timeout_s": _GRACE_S},
            "identity": {"development_organization": "Bench"},
            "speech": {"enabled": False},
            "models": [model(fake=fake, replicas=2)],
        }
        first = folder / "config.json"
        first.write_text(json.dumps(self._settings))
        command = [sys.executable, "-m", "bench.rolling.server", "--config", str(first), "--inbox", str(self._inbox)]
        super().__init__("rolling", command + (["--fake"] if fake else []), ray_port_ranges("rolling"))
        endpoints = folder / "data" / "endpoints.json"
        self.wait_until(endpoints.exists, _START_S)
        self.endpoints: dict[str, str] = json.loads(endpoints.read_text())

    async def deploy(self, change: dict[str, Any]) -> None:
        """Change these settings; returns when Serve says that all of it runs."""
        self._settings = self._settings | change
        self._number += 1
        coming = self._inbox / f"{self._number}.json"
        coming.with_suffix(".part").write_text(json.dumps(self._settings))
        coming.with_suffix(".part").rename(coming)
        deadline = time.monotonic() + _START_S
        while not coming.with_suffix(".done").exists():
            if (failed := coming.with_suffix(".failed")).exists():
                raise RuntimeError(f"{self._number}.json was not deployed: {failed.read_text()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._number}.json was not deployed: {self.last_words()}")
            await asyncio.sleep(0.1)

    async def phase(self, name: str, change: dict[str, Any], after_s: float) -> Phase:
        began_s = time.time()
        await self.deploy(change)
        deployed_s = time.time()
        await asyncio.sleep(after_s)
        return Phase(name, began_s, deployed_s, time.time(), os.getloadavg()[0])

    async def scaled(self, name: str, replicas: int, after_s: float) -> Phase:
        """Until Serve has brought the model to so many replicas by itself, and ``after_s`` more."""
        began_s = time.time()
        await self.has_replicas(replicas)
        scaled_s = time.time()
        await asyncio.sleep(after_s)
        return Phase(name, began_s, scaled_s, time.time(), os.getloadavg()[0])

    async def has_replicas(self, count: int) -> None:
        """Return when a gateway knows of so many engine replicas."""
        deadline = time.monotonic() + _START_S
        headers = {"authorization": f"Bearer {self.endpoints['admin_key']}"}
        async with httpx.AsyncClient(base_url=self.endpoints["http"], timeout=60.0) as client:
            while True:
                status = (await client.get("/admin/v1/status", headers=headers)).json()
                if len(status["models"][0]["replicas"]) == count:
                    return
                if time.monotonic() > deadline:
                    raise TimeoutError(f"there are not {count} replicas: {status['models']}")
                await asyncio.sleep(0.1)

    def session_logs(self) -> Path:
        """Of the Ray session that this cluster has started."""
        for process in self.processes():
            try:
                arguments = Path(f"/proc/{process}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
            for argument in arguments.split(b"\0"):
                if argument.startswith((b"--session-dir=", b"--session_dir=")):
                    return Path(argument.partition(b"=")[2].decode()) / "logs"
        raise FileNotFoundError("no process of the cluster names its session")
