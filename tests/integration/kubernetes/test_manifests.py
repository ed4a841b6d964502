"""The chart against Helm's linter, Kubernetes' own schemas and KubeRay's definitions."""

from __future__ import annotations

import json
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import CHART, MODEL, MODES, READY, ROOT, Rendered, helm, program, render

pytestmark = pytest.mark.integration

#: KubeRay's resource definitions, beside the repository where somebody has put them.
DEFINITIONS = ROOT.parent / "shared" / "kuberay" / "ray.io_rayservices.yaml"
VERSIONS = ("1.27", "1.30", "1.33", "1.37")
EVERYTHING: dict[str, Any] = {
    "models": [MODEL | {"autoscaling": {"max_replicas": 4}, "replicas": None, "adapters": {"enabled": True}}],
    "config__tuning": {"enabled": True},
    "storage": {"kind": "s3", "s3": {"url": "s3://bucket", "region": "here", "credentialsSecret": {"name": "bucket"}}},
    "adapterCache__sizeLimit": "40Gi",
    "autoscaling__enabled": True,
    "redis": {"address": "redis:6379", "passwordSecret": {"name": "redis", "key": "password"}},
    "expose__host": "llm.test",
    "expose__grpcHost": "grpc.test",
    "expose__ingress__enabled": True,
    "expose__tls": {"enabled": True, "secretName": "certificate"},
    "modelCache__kind": "pvc",
    "monitoring__kind": "ServiceMonitor",
    "monitoring__dashboards__enabled": True,
    "huggingFace__tokenSecret": {"name": "hub", "key": "token"},
    "service__type": "LoadBalancer",
}
del EVERYTHING["models"][0]["replicas"]
CORE = {"v1", "apps/v1", "policy/v1", "networking.k8s.io/v1", "autoscaling/v2"}


def renderings() -> list[Rendered]:
    ready = [render(values, mode) for values in READY for mode in MODES]
    return [*ready, *(render(mode=mode, standalone__autoscaling__kind="hpa", **EVERYTHING) for mode in MODES)]


@pytest.mark.parametrize("values", READY)
def test_helms_linter_has_no_complaint(values: str) -> None:
    for mode in MODES:
        outcome = helm("lint", str(CHART), "--strict", "--values", str(CHART / values), "--set", f"mode={mode}")
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid_in_every_supported_kubernetes(version: str, tmp_path: Path) -> None:
    manifests = [each for rendered in renderings() for each in rendered.manifests if each["apiVersion"] in CORE]
    # Pods of a RayService, too: KubeRay's definitions are less strict about them.
    manifests += [
        template | {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | {"name": role}}
        for rendered in renderings()
        if rendered.of("RayService")
        for role, template in rendered.pods().items()
    ]
    path = tmp_path / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(manifests))
    command = [program("kubernetes-validate"), "-k", version, "--strict", str(path)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert (outcome.stdout + outcome.stderr).count(" passed ") == len(manifests)


def test_the_validator_refuses_what_does_not_exist(tmp_path: Path) -> None:
    manifest = render(mode="standalone").of("Deployment")[0]
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest | {"spec": manifest["spec"] | {"replicaz": 1}}))
    command = [program("kubernetes-validate"), "-k", VERSIONS[0], "--strict", str(path)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode != 0
    assert "replicaz" in outcome.stdout + outcome.stderr


@lru_cache(maxsize=1)
def rayservice_validator() -> Any:
    if not DEFINITIONS.exists():
        pytest.skip(f"KubeRay's definitions are not in {DEFINITIONS.parent.relative_to(ROOT.parent)} beside the repository")
    import jsonschema_rs

    definition = yaml.load(DEFINITIONS.read_text(), Loader=yaml.CSafeLoader)
    (version,) = [each for each in definition["spec"]["versions"] if each["name"] == "v1"]
    schema = version["schema"]["openAPIV3Schema"]
    _refuse_unknown(schema)
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema_rs.Draft7Validator(schema)


def _refuse_unknown(node: Any) -> None:
    """As the API server does with strict field validation; a structural schema says nothing of it."""
    if isinstance(node, list):
        for each in node:
            _refuse_unknown(each)
    if not isinstance(node, dict):
        return
    if node.get("x-kubernetes-int-or-string"):
        node.pop("type", None)
        node["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if node.get("properties") and "additionalProperties" not in node and not node.get("x-kubernetes-preserve-unknown-fields"):
        node["additionalProperties"] = False
    for each in list(node.values()):
        _refuse_unknown(each)


def complaints(manifest: dict[str, Any]) -> list[str]:
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in rayservice_validator().iter_errors(manifest)]


def test_rayservices_are_what_kuberay_takes() -> None:
    services = [rendered.one("RayService") for rendered in renderings() if rendered.of("RayService")]
    assert len(services) == len(READY) + 1
    for service in services:
        assert complaints(service) == []


def test_kuberays_definition_refuses_what_does_not_exist() -> None:
    service = json.loads(json.dumps(render().one("RayService")))
    service["spec"]["rayClusterConfig"]["rayVersionz"] = "1"
    assert any("rayVersionz" in complaint for complaint in complaints(service))
