"""The cluster as its operator sees it: sockets, metrics, the command line, one cluster at a time."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from cluster.job_handlers import JOB_HANDLERS
from cluster.runtime import processes
from tests import metrics_check
from tests.e2e.conftest import OSSATURE, RunningCluster, environment
from tests.e2e.process_table import ray_session

pytestmark = pytest.mark.e2e

MODEL = "gpt-oss-demo"
SERVE_LOG = "serve.log"
LOGGED_WITHIN_S = 10.0


def ossature(running: RunningCluster, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    variables = environment() | {"OSSATURE_ENDPOINTS": str(running.data_dir / "endpoints.json")}
    return subprocess.run([OSSATURE, *arguments], capture_output=True, text=True, env=variables, input=stdin, timeout=120)


def listeners(pids: set[int]) -> list[str]:
    """Addresses (as /proc writes them) on which these processes listen."""
    inodes = set()
    for pid in pids:
        try:
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                target = os.readlink(descriptor)
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
        except (FileNotFoundError, PermissionError):
            continue
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and columns[9] in inodes:
                found.append(columns[1].rsplit(":", 1)[0])
    return found


def test_nothing_listens_beyond_loopback(running: RunningCluster) -> None:
    pids = {running.pid, *processes.of_run(running.run_id)}
    addresses = listeners(pids)
    assert len(addresses) > 5, "the processes of the run were not found"
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert set(addresses) <= loopback


OF_THE_PRECISE_INDEX = {
    "ossature_kv_events_total",
    "ossature_kv_event_gaps_total",
    "ossature_kv_resident_blocks",
    "ossature_kv_resident_hashes",
}
"""Metrics of engines with ``routing.index: precise``, which this cluster has not."""

OF_ADAPTERS = {
    "ossature_adapters_held",
    "ossature_adapter_cache_bytes",
    "ossature_adapter_load_seconds",
}
"""Metrics of engines that take adapters, which this cluster's do not."""

OF_JOBS = {"ossature_jobs", "ossature_job_waiting_seconds"}
"""What is told of jobs where there are some."""

OF_JOB_WORKERS = {"ossature_job_run_duration_seconds", "ossature_job_leases_taken_over_total"}


def test_one_scrape_tells_of_all_processes_and_every_metric_is_documented(running: RunningCluster) -> None:
    running.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    scrape = running.scrape()
    assert metrics_check.undocumented(scrape) == set()
    expected = OF_THE_PRECISE_INDEX | OF_ADAPTERS | (set() if JOB_HANDLERS else OF_JOB_WORKERS)
    assert metrics_check.missing(scrape) - OF_JOBS == expected
    assert "vllm:generation_tokens_total" in scrape


def test_status_shows_models_and_replicas(running: RunningCluster) -> None:
    status = json.loads(ossature(running, "status", "--json").stdout)
    models = {model["id"]: model for model in status["models"]}
    assert status["ready"] is True
    assert len(models[MODEL]["replicas"]) == 2
    assert len(models["bench-qwen3"]["replicas"]) == 1


def test_organization_project_and_key_from_the_command_line(running: RunningCluster) -> None:
    organization = json.loads(ossature(running, "org", "create", "Gamma", "--json").stdout)
    project = json.loads(ossature(running, "project", "create", "search", "--org", "Gamma", "--json").stdout)
    made = ossature(running, "key", "create", "--org", organization["id"], "--project", project["id"], "--json")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)
    assert [model.id for model in running.client(key["key"]).models.list()] == [MODEL]
    listed = ossature(running, "key", "list", "--org", "Gamma", "--json").stdout
    assert key["id"] in listed
    assert key["key"] not in listed
    assert ossature(running, "key", "revoke", key["id"], "--json").returncode == 0


def test_admin_keys_from_the_command_line(running: RunningCluster) -> None:
    made = json.loads(ossature(running, "key", "create", "--admin", "--name", "second operator", "--json").stdout)
    with running.raw(made["key"]) as operator:
        assert operator.get("/admin/v1/status").status_code == 200
        listed = ossature(running, "key", "list", "--admin", "--json").stdout
        assert made["id"] in listed
        assert made["key"] not in listed
        assert ossature(running, "key", "revoke", made["id"]).returncode == 0
        time.sleep(1.0)
        assert operator.get("/admin/v1/status").status_code == 401


def test_model_list_and_one_shot_chat(running: RunningCluster) -> None:
    assert MODEL in ossature(running, "model", "list").stdout
    answer = ossature(running, "chat", "Hello", "--model", MODEL, "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)


def test_a_second_start_says_that_one_runs(running: RunningCluster) -> None:
    second = subprocess.run([OSSATURE, "serve", "--config", str(running.config)], capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    assert str(running.pid) in second.stderr
    assert "running" in second.stderr


def test_secrets_do_not_reach_the_logs(running: RunningCluster) -> None:
    answered = running.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    session = ray_session(running.run_id)
    line = f"request {answered.id}".encode()
    assert line.startswith(b"request chatcmpl-")
    deadline = time.monotonic() + LOGGED_WITHIN_S
    while not any(line in content for content in logs_of(session).values()):
        assert time.monotonic() < deadline, f"the gateway's log of {answered.id} is not below {session}"
        time.sleep(0.5)
    # Behind a secret the file has the time at which it was made.
    secret = (running.data_dir / "cluster-secret").read_text().split()[0]
    needles = [value.encode() for value in (running.admin_key, running.beta_key, secret)]
    contents = logs_of(session) | {SERVE_LOG: (running.data_dir.parent / SERVE_LOG).read_bytes()}
    for name, content in contents.items():
        # `ossature serve` shows its first user the development key, once, on purpose.
        hidden = needles if name == SERVE_LOG else [running.api_key.encode(), *needles]
        assert not any(needle in content for needle in hidden), name


def logs_of(session: Path) -> dict[str, bytes]:
    """All that the processes of a Ray session have written, by file."""
    logs = session / "logs"
    files = [path for suffix in ("log", "err", "out") for path in logs.rglob(f"*.{suffix}") if path.is_file()]
    return {str(path): path.read_bytes() for path in files}
