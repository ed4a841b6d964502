"""The Serve configuration that the chart renders for its CPU trial, deployed as KubeRay's operator does.

That is: to the dashboard's API of a Ray that was started with the head pod's environment and resources.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import yaml

from tests.chart import CHART, NAME, Rendered, render
from tests.e2e.conftest import DEMO, free_port, require_models

pytestmark = pytest.mark.e2e

TRIAL = "values-cpu-trial.yaml"
START_TIMEOUT_S = 180.0
ATTEMPTS = 3
#: Every process that the head starts inherits it. No name of a setting: those are refused if nobody knows them.
MARK = "CHART_TRIAL"
DEPLOY_TIMEOUT_S = 900.0
STOP_TIMEOUT_S = 60.0
#: What the image has and this machine has elsewhere: folders of the demo model and of the data.
IN_THE_IMAGE = {"model": "/opt/ossature/.models/gpt-oss-demo", "data": "/var/lib/ossature"}


@dataclass(frozen=True)
class Trial:
    """The deployed trial. ``dashboard`` asks Ray's API at ``address`` with the token."""

    http: str
    admin_key: str
    address: str
    dashboard: httpx.Client


def trial() -> Rendered:
    """The chart's own trial, on ports that are free here. A pod has all ports to itself; this machine is shared."""
    ports: dict[str, Any] = {f"config__{section}__port": free_port() for section in ("http", "grpc", "metrics")}
    return render(TRIAL, "rayservice", config__relay__first_port=free_port() - 200, **ports)


def secrets(rendered: Rendered) -> dict[str, str]:
    """By key: what the chart's Secret holds."""
    return {name: base64.b64decode(value).decode() for name, value in rendered.one("Secret")["data"].items()}


def pod_environment(rendered: Rendered, folder: Path) -> dict[str, str]:
    """The head container's variables, references to the Secret resolved; folders that only a pod has are below ``folder``."""
    known = secrets(rendered)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OSSATURE_", "RAY_"))}
    for name, variable in rendered.environment("head").items():
        if "value" in variable:
            environment[name] = variable["value"]
        elif (reference := variable["valueFrom"]["secretKeyRef"])["key"] in known:
            environment[name] = known[reference["key"]]
        else:
            assert reference.get("optional"), f"{name} is nowhere"
    free = ("HAPROXY_METRICS_PORT", "HAPROXY_STATS_PORT", "FALLBACK_PROXY_HTTP_PORT", "FALLBACK_PROXY_GRPC_PORT")
    return (
        environment
        | {f"RAY_SERVE_{name}": str(free_port()) for name in free}
        | {
            # Nothing beyond loopback, which in a pod policies see to.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "HOME": str(folder),
            "HF_HOME": str(folder / "hub"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(CHART.parents[2]), os.environ.get("PYTHONPATH")))),
        }
    )


def start_parameters(rendered: Rendered) -> dict[str, Any]:
    """What the pod's `ray start` is told."""
    parameters = rendered.one("RayService")["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]
    return {
        "num_cpus": int(parameters["num-cpus"]),
        "resources": json.loads(parameters["resources"].strip("'")),
        "object_store_memory": int(parameters["object-store-memory"]),
    }


def serve_config(rendered: Rendered, data: Path) -> dict[str, Any]:
    """``serveConfigV2`` with the folders of this machine, on loopback."""
    text = str(rendered.one("RayService")["spec"]["serveConfigV2"])
    for inside, here in ((IN_THE_IMAGE["model"], DEMO), (IN_THE_IMAGE["data"], data), ("0.0.0.0", "127.0.0.1")):
        assert inside in text
        text = text.replace(inside, str(here))
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    require_models()
    rendered, folder = trial(), tmp_path_factory.mktemp("trial")
    # Paths of sockets are short, and Ray puts its own below this.
    ray_folder = Path(tempfile.mkdtemp(prefix="chart-", dir="/tmp"))
    port, token, run = free_port(), uuid.uuid4().hex, f"chart-{uuid.uuid4().hex}"
    settings = folder / "ray.json"
    settings.write_text(json.dumps(start_parameters(rendered) | {"dashboard_port": port, "folder": str(ray_folder)}))
    # The operator gives every pod of a Ray cluster its token.
    given = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, MARK: run}
    environment = pod_environment(rendered, folder) | given
    address, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}
    head = None
    try:
        head = _started(settings, environment, folder / "ray.log", run)
        # The first question to it starts Serve itself.
        with httpx.Client(base_url=address, headers=headers, timeout=START_TIMEOUT_S, trust_env=False) as dashboard:
            config = serve_config(rendered, folder / "data")
            dashboard.put("/api/serve/applications/", json=config).raise_for_status()
            _wait_until_running(dashboard, folder / "ray.log")
            yield Trial(f"http://127.0.0.1:{config['http_options']['port']}", secrets(rendered)["admin-key"], address, dashboard)
    finally:
        if head is not None:
            _end(head)
        _kill_marked(run)
        shutil.rmtree(ray_folder, ignore_errors=True)


def _started(settings: Path, environment: dict[str, str], log: Path, run: str) -> subprocess.Popen[bytes]:
    """Ray's own limit of 30 s for a node's start can't be set; a busy machine needs longer, and another try."""
    command = [sys.executable, str(Path(__file__).with_name("ray_head.py")), str(settings)]
    for _ in range(ATTEMPTS):
        with log.open("w") as output:
            head = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while "ready" not in (said := log.read_text(errors="replace")).splitlines():
            if head.poll() is not None or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        else:
            return head
        _end(head)
        _kill_marked(run)
        if "timed out during startup" not in said:
            break
    pytest.fail(f"Ray did not start:\n{said[-4000:]}")


def _wait_until_running(dashboard: httpx.Client, log: Path) -> None:
    """As the operator waits: for the application's status."""
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    while True:
        found = dashboard.get("/api/serve/applications/").raise_for_status().json()
        application = found["applications"].get("ossature", {})
        if application.get("status") == "RUNNING":
            return
        if application.get("status") == "DEPLOY_FAILED" or time.monotonic() > deadline:
            pytest.fail(f"{application.get('status')}: {application.get('message')}\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(1)


def _end(head: subprocess.Popen[bytes]) -> None:
    """Ray's own shutdown first; what is left of its session, if it takes too long."""
    if head.poll() is None:
        head.send_signal(signal.SIGTERM)
    try:
        head.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()


def _kill_marked(run: str) -> None:
    """What is left of a Ray that did not end as it should, wherever its parents are."""
    mark = f"{MARK}={run}".encode()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)


def test_every_deployment_of_the_application_runs_as_often_as_the_chart_says(deployed: Trial) -> None:
    found = deployed.dashboard.get("/api/serve/applications/").raise_for_status().json()
    deployments = found["applications"]["ossature"]["deployments"]
    assert {name: len(each["replicas"]) for name, each in deployments.items()} == {
        "gateway": 1, "speech": 1, "jobs": 1, "engine:gpt-oss-demo": 1,
    }  # fmt: skip
    assert {each["status"] for each in deployments.values()} == {"HEALTHY"}


def test_a_chat_is_answered_with_a_key_that_the_charts_admin_key_makes(deployed: Trial) -> None:
    admin = httpx.Client(
        base_url=f"{deployed.http}/admin/v1", headers={"Authorization": f"Bearer {deployed.admin_key}"}, timeout=60, trust_env=False
    )
    organization = admin.post("/organizations", json={"name": "Acme"}).raise_for_status().json()["id"]
    key = admin.post(f"/organizations/{organization}/keys", json={"name": "trial"}).raise_for_status().json()["key"]
    client = openai.OpenAI(base_url=f"{deployed.http}/v1", api_key=key, max_retries=0, timeout=120)
    answer = client.chat.completions.create(
        model="gpt-oss-demo", messages=[{"role": "user", "content": "Who are you?"}], max_completion_tokens=64, temperature=0
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert answer.choices[0].message.content or answer.choices[0].finish_reason == "length"


def test_rays_api_is_closed_to_those_without_the_token(deployed: Trial) -> None:
    answer = httpx.get(f"{deployed.address}/api/serve/applications/", timeout=30, trust_env=False)
    assert answer.status_code in (401, 403)


def test_the_paths_of_the_pods_probes_answer(deployed: Trial) -> None:
    container = render(TRIAL).container("head")
    asked = {probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    for path in set(asked.values()):
        assert httpx.get(deployed.address + path, timeout=30, trust_env=False).status_code == 200, path
    assert httpx.get(f"{deployed.http}/readyz", timeout=30, trust_env=False).status_code == 200


def test_helm_test_passes_on_it(deployed: Trial) -> None:
    """The script of the test pod, against the trial's HTTP side."""
    (container,) = render(TRIAL).one("Pod", f"{NAME}-test")["spec"]["containers"]
    environment = {"HTTP": deployed.http, "PATH": os.environ["PATH"]}
    outcome = subprocess.run(
        [sys.executable, "-c", container["args"][0]], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
