"""A cluster to break: two gateways, two engine replicas, a PostgreSQL of its own, and how to find each of its processes."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from bench import procfs
from bench.programs import ROOT, free_ports
from cluster.runtime import processes

MODEL = "chaos"
ENGINE = f"ray::ServeReplica:ossature:engine:{MODEL}"
SLOWNESS = "slowness"
"""In a cluster's folder: the folder of ``bench/fakes/slowness.py``."""
START_TIMEOUT_S = 420.0
STOP_TIMEOUT_S = 90.0
GATEWAYS = 2
REPLICAS = 2

FAKE_MODEL: dict[str, Any] = {
    "id": MODEL,
    "source": MODEL,
    "replicas": REPLICAS,
    "max_ongoing_requests": 256,
    "placement": {"cpus_per_worker": 0.1},
}
"""Engine replicas with all that the cluster puts around an engine, and a fake in the engine's place."""


@dataclass
class ChaosCluster:
    """A started cluster. ``process``: its launcher; everything else carries the mark of ``run_id``."""

    folder: Path
    config: Path
    process: subprocess.Popen[bytes]
    http: str
    metrics: str
    api_key: str
    admin_key: str
    run_id: str
    database_url: str
    start: Callable[[], Launched]
    urls: list[str]
    killed: list[int] = field(default_factory=list)

    def start_again(self) -> None:
        """As whoever supervises the launcher does once it has ended; keys and addresses are the former ones."""
        assert self.process.poll() is not None, "the launcher has not ended"
        self.process, self.run_id, _ = self.start()

    def log(self) -> str:
        """What its launchers have said."""
        return (self.folder / "serve.log").read_text(errors="replace")

    def pids(self, *beginnings: str) -> list[int]:
        """Processes of the run whose title or program begins so, oldest first."""
        found: list[tuple[int, int]] = []
        for pid in processes.of_run(self.run_id):
            try:
                title = procfs.title(pid)
                started, _ = procfs.parse_stat(Path(f"/proc/{pid}/stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
            program = Path(title.split(" ", 1)[0]).name
            if any(title.startswith(beginning) or program == beginning for beginning in beginnings):
                found.append((started, pid))
        return [pid for _, pid in sorted(found)]

    def gateways(self) -> list[int]:
        return self.pids("ray::ServeReplica:ossature:gateway")

    def engines(self) -> list[int]:
        return self.pids(ENGINE)

    def replaced(self, former: list[int], *beginnings: str) -> bool:
        """Whether none of the former processes is left and there are others instead."""
        present = self.pids(*beginnings)
        return bool(present) and not set(former) & set(present)

    def busiest(self, pids: list[int], over_s: float = 1.0) -> int:
        """The one of these processes that computes most. Requests of the load may all be at one of them, for its warm cache."""

        def used_s(pid: int) -> float:
            _, seconds = procfs.parse_stat(Path(f"/proc/{pid}/stat").read_text())
            return seconds

        before = {pid: used_s(pid) for pid in pids}
        time.sleep(over_s)
        return max(pids, key=lambda pid: used_s(pid) - before[pid])

    def kill(self, pid: int) -> None:
        """SIGKILL to a process of this cluster."""
        assert pid == self.process.pid or pid in processes.of_run(self.run_id), f"process {pid} is none of this cluster's"
        os.kill(pid, signal.SIGKILL)
        self.killed.append(pid)

    @contextmanager
    def slowed(self, pid: int, factor: int) -> Iterator[None]:
        """The fake engine in this replica takes ``factor`` times as long as it is asked to."""
        file = self.folder / SLOWNESS / str(pid)
        file.write_text(str(factor))
        try:
            yield
        finally:
            file.unlink()

    def admin(self, path: str) -> dict[str, Any] | None:
        """What the admin API says; ``None`` if it doesn't answer."""
        try:
            answer = httpx.get(
                f"{self.http}{path}", headers={"Authorization": f"Bearer {self.admin_key}"}, timeout=3, trust_env=False
            )
            return dict(answer.json()) if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            return None

    def ready_replicas(self) -> int:
        """Engine replicas that the gateway which answers can reach; 0 if none answers."""
        status = self.admin("/admin/v1/status")
        return 0 if status is None else len(next(model["replicas"] for model in status["models"] if model["id"] == MODEL))

    def whole(self) -> bool:
        """Whether every replica is there, and the edge knows of those of the engines."""
        return self.ready_replicas() == REPLICAS and len(self.gateways()) >= GATEWAYS and len(self.engines()) >= REPLICAS

    def await_whole(self, timeout_s: float) -> None:
        until(self.whole, timeout_s, "the cluster did not become whole")

    def scrape(self) -> dict[str, float]:
        """Samples of one scrape, by name and labels; empty if the exporter doesn't answer."""
        try:
            text = httpx.get(self.metrics, timeout=10, trust_env=False).raise_for_status().text
        except httpx.HTTPError:
            return {}
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value for key, value in self.scrape().items() if key.split("{", 1)[0] == name and all(label in key for label in wanted)
        )

    def ledger(self) -> dict[str, str]:
        """Outcome of every request in the usage ledger, by the answer's id."""

        from sqlalchemy import select

        from cluster.config.settings.database import DatabaseSettings
        from cluster.store.database import Database
        from cluster.store.tables import UsageRow

        async def read() -> dict[str, str]:
            database = Database.open(self.database_url, DatabaseSettings())
            try:
                async with database.session() as session:
                    rows = await session.execute(select(UsageRow.request_id, UsageRow.outcome))
                    return {row.request_id: row.outcome for row in rows}
            finally:
                await database.close()

        return asyncio.run(read())

    def stop(self) -> int:
        """Ctrl-C, and after that an end to whatever is left. Returns the launcher's exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            processes.end_all(self.run_id)


def until(holds: Callable[[], bool], timeout_s: float, complaint: str, poll_s: float = 0.5) -> float:
    """Wait until ``holds``; seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < timeout_s, f"{complaint} within {timeout_s:.0f} s"
        time.sleep(poll_s)
    return time.monotonic() - began


@contextmanager
def running(
    folder: Path,
    settings: Mapping[str, Any],
    *,
    command: tuple[str, ...] = ("bench.live.ossature_server",),
    variables: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    outside: tuple[str, ...] = (),
) -> Iterator[ChaosCluster]:
    """Start a cluster whose files are below ``folder``, and end it.

    ``command``: the module that runs it, with its options; ``prefix``: what comes before that. ``outside``: addresses at which
    clients find its hosts, if not on loopback. A mark of processes among the ``variables`` is that of the Ray which it joins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data_dir = Path(settings.get("data_dir", folder / "data"))
    http, grpc, metrics = free_ports(3)
    config = {
        "name": "chaos",
        "data_dir": str(data_dir),
        "http": {"port": http},
        "grpc": {"port": grpc},
        "metrics": {"port": metrics},
        "ray": {"num_cpus": 4},
        "gateway": {"replicas": GATEWAYS},
        "identity": {"development_organization": "Chaos"},
        "speech": {"enabled": False},
        "models": [FAKE_MODEL],
        **settings,
    }
    path = folder / "config.json"  # JSON is YAML
    path.write_text(json.dumps(config))
    start = functools.partial(launch, folder, path, data_dir, command, variables or {}, prefix)
    process, run_id, endpoints = start()
    urls = [f"http://{address}:{config['http']['port']}" for address in outside] or [endpoints["http"]]
    cluster = ChaosCluster(
        folder=folder,
        config=path,
        process=process,
        http=urls[0],
        metrics=endpoints["metrics"],
        api_key=endpoints["api_key"],
        admin_key=endpoints["admin_key"],
        run_id=run_id,
        database_url=config.get("database", {}).get("url") or f"sqlite+aiosqlite:///{data_dir / 'ossature.db'}",
        start=start,
        urls=urls,
    )
    try:
        cluster.await_whole(START_TIMEOUT_S)
        yield cluster
    finally:
        cluster.stop()


class Launched(NamedTuple):
    """A launcher whose cluster serves. ``endpoints``: what it has written for its operator."""

    process: subprocess.Popen[bytes]
    run_id: str
    endpoints: dict[str, Any]


def launch(
    folder: Path, config: Path, data_dir: Path, command: tuple[str, ...], variables: Mapping[str, str], prefix: tuple[str, ...]
) -> Launched:
    """Start a launcher; returns when its cluster serves."""
    endpoints_file = data_dir / "endpoints.json"
    endpoints_file.unlink(missing_ok=True)
    variables = dict(variables)
    mark = variables.pop(processes.RUN_VARIABLE, None)  # no setting
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", *command, "--config", str(config)],
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=environment() | variables,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    try:
        while not endpoints_file.exists():
            log_end = (folder / "serve.log").read_text(errors="replace")[-4000:]
            assert process.poll() is None, f"the cluster did not start:\n{log_end}"
            assert time.monotonic() < deadline, f"the cluster has not started within {START_TIMEOUT_S:.0f} s:\n{log_end}"
            time.sleep(0.2)
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)
        raise
    run_id = mark or json.loads((data_dir / "serve.json").read_text())["run_id"]
    return Launched(process, run_id, json.loads(endpoints_file.read_text()))


def environment() -> dict[str, str]:
    """This process's, without settings of a cluster, and with ports for Serve's replicas that other clusters here don't try."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OSSATURE_")}
    first = 20_000 + 200 * random.randrange(40)
    ranges = {
        f"RAY_SERVE_DIRECT_INGRESS_{end}_{kind}_PORT": str(first + offset)
        for kind, end, offset in (("HTTP", "MIN", 0), ("HTTP", "MAX", 99), ("GRPC", "MIN", 100), ("GRPC", "MAX", 199))
    }
    return kept | ranges | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
