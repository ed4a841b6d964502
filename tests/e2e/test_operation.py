"""The cluster as its operator sees it: sockets, metrics, the command line, one cluster at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.runtime import processes
from tests import metrics_check
from tests.e2e.conftest import RunningCluster

pytestmark = pytest.mark.e2e

OSSATURE = str(Path(sys.executable).with_name("ossature"))
MODEL = "gpt-oss-demo"


def ossature(running: RunningCluster, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OSSATURE_")}
    environment["OSSATURE_ENDPOINTS"] = str(running.data_dir / "endpoints.json")
    return subprocess.run([OSSATURE, *arguments], capture_output=True, text=True, env=environment, input=stdin, timeout=120)


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


def test_one_scrape_tells_of_all_processes_and_every_metric_is_documented(running: RunningCluster) -> None:
    running.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    scrape = running.scrape()
    assert metrics_check.undocumented(scrape) == set()
    assert metrics_check.missing(scrape) == set()
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
    secret = (running.data_dir / "cluster-secret").read_text().strip()
    needles = [value.encode() for value in (running.api_key, running.admin_key, running.beta_key, secret)]
    logs = Path("/tmp/ray/session_latest/logs")
    files = [path for path in [*logs.rglob("*.log"), *logs.rglob("*.err"), *logs.rglob("*.out")] if path.is_file()]
    assert files
    for path in [*files, running.data_dir.parent / "serve.log"]:
        content = path.read_bytes()
        if path.name == "serve.log":
            # `ossature serve` shows its first user the development key, once, on purpose.
            needles = needles[1:]
        assert not any(needle in content for needle in needles), path
