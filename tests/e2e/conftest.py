"""One real cluster for all end-to-end tests: two replicas of the demo model, a private second model, both edges."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import openai
import pytest
import yaml

from cluster.config.settings.database import DatabaseSettings
from cluster.identity.directory import Directory
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.schema import upgrade
from tests.openai_schema import SchemaOracle

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / ".models" / "gpt-oss-demo"
BENCH = REPOSITORY / ".models" / "bench-qwen3"
START_TIMEOUT_S = 900.0
STOP_TIMEOUT_S = 90.0
IN_MEMORY_PERIOD_S = 60.0
OSSATURE = str(Path(sys.executable).with_name("ossature"))
ENVIRONMENT = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
ENGINE = {"dtype": "float32", "enforce_eager": True, "block_size": 32, "max_num_seqs": 16, "max_model_len": 8192}


@dataclass(frozen=True)
class RunningCluster:
    """A started cluster and what a client needs. ``beta_org`` owns the private model ``bench-qwen3``."""

    http: str
    grpc: str
    metrics: str
    api_key: str
    admin_key: str
    beta_org: str
    beta_key: str
    data_dir: Path
    config: Path
    pid: int
    run_id: str

    def client(self, key: str | None = None, **options: object) -> openai.OpenAI:
        """The official client, with its strict response validation on."""
        return openai.OpenAI(
            base_url=f"{self.http}/v1",
            api_key=key or self.api_key,
            _strict_response_validation=True,
            max_retries=0,
            timeout=120,
            **options,  # type: ignore[arg-type]
        )

    def raw(self, key: str | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=self.http, headers={"Authorization": f"Bearer {key or self.api_key}"}, timeout=120, trust_env=False
        )

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self.grpc)

    def scrape(self) -> str:
        return httpx.get(self.metrics, timeout=30, trust_env=False).raise_for_status().text

    def admin(self) -> httpx.Client:
        return self.raw(self.admin_key)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_models() -> None:
    for folder, command in ((DEMO, "models.demo.expand"), (BENCH, "models.bench.make")):
        if not (folder / "config.json").exists():
            subprocess.run([sys.executable, "-m", command], cwd=REPOSITORY, check=True)


async def _organization_of_the_private_model(data_dir: Path) -> str:
    """Made before the start, as an administrator would before naming it in the configuration."""
    url = f"sqlite+aiosqlite:///{data_dir / 'ossature.db'}"
    await upgrade(url)
    database = Database.open(url, DatabaseSettings())
    try:
        admin = Principal(org_id="", project_id="", key_id="test", admin=True)
        return (await Directory(database).create_organization(admin, "Beta")).id
    finally:
        await database.close()


def demo_model(replicas: int) -> dict[str, Any]:
    return {
        "id": "gpt-oss-demo",
        "source": str(DEMO),
        "replicas": replicas,
        "max_ongoing_requests": 32,
        "placement": {"cpus_per_worker": 0.5},
        "environment": ENVIRONMENT,
        "engine": ENGINE | {"kv_cache_memory_bytes": 268435456, "prefix_cache_retention_interval": 256},
    }


def private_model(organization: str) -> dict[str, Any]:
    return {
        "id": "bench-qwen3",
        "source": str(BENCH),
        "organization": organization,
        "placement": {"cpus_per_worker": 0.5},
        "environment": ENVIRONMENT,
        "engine": ENGINE | {"kv_cache_memory_bytes": 536870912, "load_format": "dummy", "max_model_len": 4096},
    }


def write_config(folder: Path, data_dir: Path, models: list[dict[str, Any]], **sections: Any) -> Path:
    """A configuration with ports of its own, and further ``sections``."""
    config: dict[str, Any] = {
        "name": "end-to-end",
        "data_dir": str(data_dir),
        "http": {"port": free_port()},
        "grpc": {"port": free_port()},
        "metrics": {"port": free_port()},
        "ray": {"num_cpus": 4},
        "identity": {"development_organization": "Alpha"},
        "prompt_cache": {"in_memory_period_s": IN_MEMORY_PERIOD_S},
        "realtime": {"default_model": models[0]["id"], "temperature": 0},
        "models": models,
        **sections,
    }
    path = folder / "cluster.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def environment() -> dict[str, str]:
    """This process's, without settings of a cluster."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OSSATURE_")} | {"OMP_NUM_THREADS": "1"}


def start(config: Path, data_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    """``ossature serve`` as a user starts it; returns when it has written its endpoints."""
    endpoints = data_dir / "endpoints.json"
    former = _identity(endpoints)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [OSSATURE, "serve", "--config", str(config)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while _identity(endpoints) in (None, former):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            pytest.fail(f"the cluster did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.3)
    return process


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a file from a later one of the same name; ``None`` without one."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def stop(process: subprocess.Popen[bytes]) -> int:
    """Ctrl-C, unless it has ended already. Returns the exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    return process.wait(STOP_TIMEOUT_S)


class SharedCluster:
    """The life of the cluster behind ``running``. It starts with the first test that uses it, and may end before the last one."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def stop(self) -> int | None:
        """Its exit code; ``None`` if it was never started."""
        return None if self.process is None else stop(self.process)


@pytest.fixture(scope="session")
def shared() -> Iterator[SharedCluster]:
    cluster = SharedCluster()
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, shared: SharedCluster) -> RunningCluster:
    require_models()
    folder = tmp_path_factory.mktemp("cluster")
    data_dir = folder / "data"
    data_dir.mkdir()
    beta_org = asyncio.run(_organization_of_the_private_model(data_dir))
    config = write_config(folder, data_dir, [demo_model(replicas=2), private_model(beta_org)])
    shared.process = start(config, data_dir, folder / "serve.log")
    endpoints = json.loads((data_dir / "endpoints.json").read_text())
    admin = httpx.Client(
        base_url=endpoints["http"], headers={"Authorization": f"Bearer {endpoints['admin_key']}"}, trust_env=False, timeout=30
    )
    made = admin.post(f"/admin/v1/organizations/{beta_org}/keys", json={"name": "beta"})
    assert made.status_code in (200, 201), made.text
    return RunningCluster(
        http=endpoints["http"],
        grpc=endpoints["grpc"],
        metrics=endpoints["metrics"],
        api_key=endpoints["api_key"],
        admin_key=endpoints["admin_key"],
        beta_org=beta_org,
        beta_key=made.json()["key"],
        data_dir=data_dir,
        config=config,
        pid=shared.process.pid,
        run_id=json.loads((data_dir / "serve.json").read_text())["run_id"],
    )


@pytest.fixture(scope="session")
def oracle() -> SchemaOracle:
    return SchemaOracle.load()
