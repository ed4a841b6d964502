"""Real Helm on a real API server: install, upgrade, rollback, uninstall, and another install.

The server is an old one (1.20): the chart's lower bound on versions is taken out of a copy, and disruption budgets, whose version
it does not know, are left off. Everything else is what the chart renders. No pod runs: there is no node.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart import CHART, MODEL, program
from tests.integration.kubernetes.servers import Server, full_server

pytestmark = [pytest.mark.integration, pytest.mark.kubernetes]

NAMESPACE = "models"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SETTLED_WITHIN_S = 60.0
VALUES: dict[str, Any] = {
    "database.urlSecret.name": "database",
    "models": [MODEL],
    "podDisruptionBudgets.enabled": False,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with full_server(tmp_path_factory.mktemp("kubernetes")) as started:
        yield started


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart without its lower bound on Kubernetes' version."""
    copy = shutil.copytree(CHART, tmp_path_factory.mktemp("chart") / "ossature")
    text, replaced = re.subn(r"(?m)^kubeVersion: .*$", 'kubeVersion: ">=1.20.0-0"', (copy / "Chart.yaml").read_text())
    assert replaced == 1
    (copy / "Chart.yaml").write_text(text)
    return copy


class Release:
    """One release of the chart on a server."""

    def __init__(self, server: Server, chart: Path, name: str, mode: str) -> None:
        self._server, self._chart, self.name, self._mode = server, chart, name, mode

    def helm(self, *arguments: str) -> str:
        command = [program("helm"), *arguments, "--kubeconfig", str(self._server.kubeconfig), "--namespace", NAMESPACE]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return outcome.stdout

    def bring(self, verb: str, **changed: Any) -> str:
        """``helm install`` or ``upgrade`` with values by dotted name, `__` for the dot."""
        values = VALUES | {"mode": self._mode} | {name.replace("__", "."): value for name, value in changed.items()}
        settings = [part for name, value in values.items() for part in ("--set-json", f"{name}={json.dumps(value)}")]
        return self.helm(verb, self.name, str(self._chart), *(["--create-namespace"] if verb == "install" else []), *settings)

    def statuses(self) -> list[str]:
        return [each["status"] for each in json.loads(self.helm("history", self.name, "--output", "json"))]

    @property
    def full(self) -> str:
        return f"{self.name}-ossature"


def eventually(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {SETTLED_WITHIN_S:.0f} s: {what}"
        time.sleep(0.3)


def replicas(server: Server) -> dict[str, int]:
    return {each["metadata"]["name"]: each["spec"]["replicas"] for each in server.list(f"{APPS}/deployments")}


def secret(server: Server, name: str) -> dict[str, str]:
    data: dict[str, str] = server.client.get(f"{CORE}/secrets/{name}").raise_for_status().json()["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def template(server: Server, name: str) -> dict[str, Any]:
    """The pod template of a Deployment, as the server keeps it."""
    found: dict[str, Any] = server.client.get(f"{APPS}/deployments/{name}").raise_for_status().json()["spec"]["template"]
    return found


def test_a_standalone_release_from_install_to_a_second_install(server: Server, chart: Path) -> None:
    release = Release(server, chart, "one", "standalone")
    notes = release.bring("install")
    assert "The next three commands" in notes
    first = replicas(server)
    prefix = release.full
    assert first == {
        f"{prefix}-head": 1, f"{prefix}-ingress": 2, f"{prefix}-jobs": 1, f"{prefix}-speech": 1,
        f"{prefix}-engine-acme-model-1-5": 2,
    }  # fmt: skip
    # The server has taken the pods themselves, too: its controllers have made them, and no node takes them.
    eventually("seven pods wait for nodes", lambda: len(server.list(f"{CORE}/pods")) == sum(first.values()))
    assert {pod["status"]["phase"] for pod in server.list(f"{CORE}/pods")} == {"Pending"}
    assert f"{prefix}-default-deny" in server.names(POLICIES)
    made = secret(server, f"{prefix}-secrets")
    before = {name: template(server, name) for name in first}

    release.bring("upgrade", ingressPods__count=3, config__routing={"load_factor": 1.5})
    assert replicas(server) == first | {f"{prefix}-ingress": 3}
    assert secret(server, f"{prefix}-secrets") == made, "an upgrade has made other secrets"
    after = {name: template(server, name) for name in first}
    assert {name for name in first if before[name] != after[name]} == {f"{prefix}-head"}, "more than the head restarts"
    config = server.client.get(f"{CORE}/configmaps/{prefix}-config").json()["data"]["config.yaml"]
    assert "load_factor: 1.5" in config

    release.helm("rollback", release.name, "1")
    assert replicas(server) == first
    assert {name: template(server, name) for name in first} == before
    assert secret(server, f"{prefix}-secrets") == made
    assert release.statuses() == ["superseded", "superseded", "deployed"]

    release.helm("uninstall", release.name)
    eventually("pods are gone", lambda: server.list(f"{CORE}/pods") == [])
    assert server.list(f"{APPS}/deployments") == []
    assert server.list(POLICIES) == []
    assert not {name for name in server.names(f"{CORE}/services") if name.startswith(prefix)}
    assert secret(server, f"{prefix}-secrets") == made, "an uninstall has taken the secrets along"
    assert f"{prefix}-storage" in server.names(f"{CORE}/persistentvolumeclaims"), "an uninstall has taken clients' files along"

    release.bring("install")
    assert secret(server, f"{prefix}-secrets") == made, "cached prefixes and the admin key survive"
    release.helm("uninstall", release.name)


def test_values_with_a_typo_change_nothing(server: Server, chart: Path) -> None:
    release = Release(server, chart, "two", "standalone")
    with pytest.raises(AssertionError, match="Additional property ingresPods is not allowed"):
        release.bring("install", ingresPods={"count": 3})
    assert not {name for name in server.names(f"{APPS}/deployments") if name.startswith(release.full)}


def test_the_versions_that_the_chart_supports_are_kept_to(server: Server) -> None:
    release = Release(server, CHART, "three", "standalone")
    with pytest.raises(AssertionError, match="chart requires kubeVersion"):
        release.bring("install")


@pytest.fixture(scope="module")
def loose_definition(server: Server) -> Iterator[None]:
    """A RayService of any shape: this server knows no validation rules, and refuses KubeRay's definition for having them."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rayservices.ray.io"},
        "spec": {
            "group": "ray.io",
            "scope": "Namespaced",
            "names": {"plural": "rayservices", "singular": "rayservice", "kind": "RayService", "listKind": "RayServiceList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    server.client.post(DEFINITIONS, json=definition).raise_for_status()
    services = "/apis/ray.io/v1/rayservices"
    eventually("RayServices are served", lambda: server.client.get(services).status_code == 200)
    yield
    server.client.delete(f"{DEFINITIONS}/rayservices.ray.io").raise_for_status()


@pytest.mark.usefixtures("loose_definition")
def test_a_rayservice_release_from_install_to_uninstall(server: Server, chart: Path) -> None:
    release = Release(server, chart, "four", "rayservice")
    path = f"/apis/ray.io/v1/namespaces/{NAMESPACE}/rayservices/{release.full}"
    release.bring("install")
    installed = server.client.get(path).raise_for_status().json()["spec"]
    release.bring("upgrade", models=[MODEL | {"replicas": 3}])
    upgraded = server.client.get(path).raise_for_status().json()["spec"]
    assert upgraded["serveConfigV2"] != installed["serveConfigV2"]
    release.helm("rollback", release.name, "1")
    assert server.client.get(path).raise_for_status().json()["spec"] == installed
    release.helm("uninstall", release.name)
    eventually("the RayService is gone", lambda: server.client.get(path).status_code == 404)
