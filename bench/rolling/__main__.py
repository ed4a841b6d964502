"""Rolling changes under load: ``python -m bench.rolling [--fake] [--phases deploy,scale,replace,surge]``.

A cluster of two gateways and two engine replicas gets 20 short requests a second and long streams one after the other, while

- ``deploy``: a configuration is deployed that replaces every gateway and every engine replica;
- ``scale``: Ray Serve takes one of two engine replicas away, when there are few streams, and starts another when there are many;
- ``replace``: with one engine replica, a configuration is deployed that replaces it: the gap of an upgrade in place;
- ``surge``: the same with ``upgrade: surge``, which starts the successor first.

Engines are vLLM with the tiny bench model, or with ``--fake`` made-up ones, whose replicas start at once: what is measured then is
everything but an engine's start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from bench import record
from bench.fakes.profile import Profile
from bench.live.ossature import ray_port_ranges
from bench.programs import FOLDER, ROOT, Program, free_ports
from bench.rolling.load import Load, Shape
from bench.rolling.report import Phase, of_phase, ready_times

MODEL = "bench-qwen3"
_START_S = 900.0
_SETTLED_S = 8.0
_MANY = 8
_AUTOSCALING = {
    "min_replicas": 1,
    "max_replicas": 2,
    "target_ongoing_requests": 5,
    "upscale_delay_s": 1,
    "downscale_delay_s": 3,
}


def model(*, fake: bool, upgrade: str = "replace", **scale: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": MODEL,
        "source": str(ROOT / ".models" / MODEL),
        **scale,
        "upgrade": upgrade,
        "max_ongoing_requests": 64,
        "graceful_shutdown_timeout_s": 120,
        "placement": {"cpus_per_worker": 0.25},
    }
    if fake:
        return found
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


def shapes(*, fake: bool, long_s: float) -> tuple[Shape, Shape]:
    """A short request and a long stream. A real engine makes as many tokens as it can meanwhile."""
    if fake:
        short, long = Profile(ttft_us=20_000, step_us=10_000, tokens=4), Profile(20_000, 50_000, int(long_s / 0.05))
        return _shape("short", short.text, 4), _shape("long", long.text, long.tokens)
    return _shape("short", "Hello NUMBER", 4, max_tokens=4), _shape("long", "Go on NUMBER", 200, max_tokens=int(long_s * 15))


def _shape(kind: str, text: str, events: int, **more: Any) -> Shape:
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}], "stream": True, "temperature": 0}
    return Shape(kind, body | more | ({"ignore_eos": True} if more else {}), events)


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
            "ray": {"num_cpus": 4},
            "gateway": {"replicas": 2, "graceful_shutdown_timeout_s": 120},
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
        return Phase(name, began_s, deployed_s, time.time())

    async def has_replicas(self, count: int) -> None:
        """Return when a gateway knows of so many engine replicas."""
        headers = {"authorization": f"Bearer {self.endpoints['admin_key']}"}
        deadline = time.monotonic() + _START_S
        async with httpx.AsyncClient(base_url=self.endpoints["http"], headers=headers) as client:
            while True:
                status = (await client.get("/admin/v1/status")).json()
                if len(status["models"][0]["replicas"]) == count:
                    return
                if time.monotonic() > deadline:
                    raise TimeoutError(f"there are not {count} replicas: {status['models']}")
                await asyncio.sleep(0.1)

    def session_logs(self) -> Path:
        """Of the Ray session that this cluster has started."""
        for process in self.processes():
            for argument in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0"):
                if argument.startswith((b"--session-dir=", b"--session_dir=")):
                    return Path(argument.partition(b"=")[2].decode()) / "logs"
        raise FileNotFoundError("no process of the cluster names its session")


async def measure(
    cluster: Cluster, wanted: list[str], *, fake: bool, rate: float, streams: int, long_s: float, after_s: float = 40.0
) -> dict[str, Any]:
    """``after_s``: how long each change is watched after Serve says that it is done."""
    headers = {
        "authorization": f"Bearer {cluster.endpoints['api_key']}",
        "x-ossature-admin-key": cluster.endpoints["admin_key"],
        "content-type": "application/json",
    }
    short, long = shapes(fake=fake, long_s=long_s)
    load = Load(cluster.endpoints["http"], headers, short, long, rate, streams)
    until = asyncio.Event()
    running = asyncio.create_task(load.run(until))
    phases = []
    try:
        await asyncio.sleep(_SETTLED_S)
        if "deploy" in wanted:
            phases.append(await cluster.phase("deploy", {"relay": {"max_buffered_bytes": 2 << 20}}, after_s))
        if "scale" in wanted:
            load.streams = _MANY
            await cluster.deploy({"models": [model(fake=fake, autoscaling=_AUTOSCALING)]})
            await cluster.has_replicas(2)
            for name, streams_then, replicas in (("scale 2 to 1", 1, 1), ("scale 1 to 2", _MANY, 2)):
                began_s = time.time()
                load.streams = streams_then
                await cluster.has_replicas(replicas)
                scaled_s = time.time()
                await asyncio.sleep(after_s)
                phases.append(Phase(name, began_s, scaled_s, time.time()))
            load.streams = streams
        for upgrade, size in (("replace", 3 << 20), ("surge", 4 << 20)):
            if upgrade in wanted:
                await cluster.deploy({"models": [model(fake=fake, replicas=1, upgrade=upgrade)]})
                await asyncio.sleep(_SETTLED_S)
                phases.append(await cluster.phase(f"one replica, {upgrade}", {"relay": {"max_buffered_bytes": size}}, after_s))
    finally:
        until.set()
        await running
    ready_s = ready_times(cluster.session_logs())
    return {
        "rate": rate,
        "phases": [of_phase(phase, load.asked, ready_s) for phase in phases],
        "requests": len(load.asked),
        "failed": sum(one.failure is not None and not one.cut for one in load.asked),
        "cut": sum(one.cut for one in load.asked),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rolling", description="Rolling changes under load.")
    parser.add_argument("--fake", action="store_true", help="fake engines")
    parser.add_argument("--phases", default="deploy,scale,replace,surge")
    parser.add_argument("--rate", type=float, default=20.0, help="short requests a second")
    parser.add_argument("--streams", type=int, default=4, help="long streams at a time")
    parser.add_argument("--long-s", type=float, default=30.0, help="about how long each lasts, in seconds")
    parser.add_argument("--after-s", type=float, default=40.0, help="how long to watch what follows a change, in seconds")
    parser.add_argument("--json", type=Path, help="where to write everything (default: a new file in .bench/results)")
    options = parser.parse_args()
    result = record.circumstances() | {"kind": "rolling", "fake": options.fake}
    cluster = Cluster(fake=options.fake)
    try:
        wanted = options.phases.split(",")
        load = {"rate": options.rate, "streams": options.streams, "long_s": options.long_s, "after_s": options.after_s}
        figures = asyncio.run(measure(cluster, wanted, fake=options.fake, **load))
    finally:
        cluster.stop(60.0)
    for phase in figures["phases"]:
        print(json.dumps(phase, indent=1))
    print(f"{figures['requests']} requests, {figures['failed']} failed, {figures['cut']} cut")
    record.save(result | figures, "rolling", options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
