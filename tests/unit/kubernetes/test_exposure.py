"""Ways in (Ingress, Gateway API, TLS), monitoring, storage, the test of a release."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from cluster.edges.grpc.registration import SERVICE_NAMES
from tests.chart import CHART, MODES, NAME, helm, render

TLS = {"enabled": True, "secretName": "certificate"}
COMMON_SERVICES = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}
HOSTS = {"expose__host": "llm.test", "expose__grpcHost": "grpc.test"}


def test_an_ingress_leads_http_and_grpc_to_the_service() -> None:
    rendered = render(expose__ingress__enabled=True, expose__ingress__className="nginx", expose__tls=TLS, **HOSTS)
    http_, grpc_ = rendered.one("Ingress", NAME), rendered.one("Ingress", f"{NAME}-grpc")
    for ingress, host, port in ((http_, "llm.test", "http"), (grpc_, "grpc.test", "grpc")):
        assert ingress["spec"]["tls"] == [{"hosts": [host], "secretName": "certificate"}]
        (rule,) = ingress["spec"]["rules"]
        assert rule["host"] == host
        assert rule["http"]["paths"][0]["backend"]["service"] == {"name": NAME, "port": {"name": port}}
    assert grpc_["metadata"]["annotations"]["nginx.ingress.kubernetes.io/backend-protocol"] == "GRPC"
    assert http_["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"


def test_an_ingress_leaves_the_size_of_files_to_the_gateways() -> None:
    """nginx would refuse what is above 32 MiB, and write it to its own disk before that; gateways take 512 MiB, as a stream."""
    annotations = render(expose__ingress__enabled=True, **HOSTS).one("Ingress", NAME)["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"
    assert annotations["nginx.ingress.kubernetes.io/proxy-request-buffering"] == "off"


def test_without_a_host_of_its_own_grpc_has_no_ingress_and_no_route() -> None:
    rendered = render(
        expose__host="llm.test", expose__ingress__enabled=True,
        expose__gatewayApi={"enabled": True, "gatewayClassName": "envoy"},
    )  # fmt: skip
    assert [each["metadata"]["name"] for each in rendered.of("Ingress")] == [NAME]
    assert rendered.of("GRPCRoute") == []


def test_a_gateway_ends_tls_and_routes_both_protocols() -> None:
    rendered = render(expose__gatewayApi={"enabled": True, "gatewayClassName": "envoy"}, expose__tls=TLS, **HOSTS)
    listeners = rendered.one("Gateway")["spec"]["listeners"]
    assert [(each["hostname"], each["protocol"]) for each in listeners] == [("llm.test", "HTTPS"), ("grpc.test", "HTTPS")]
    assert all(each["tls"]["certificateRefs"] == [{"name": "certificate"}] for each in listeners)
    (rule,) = rendered.one("HTTPRoute")["spec"]["rules"]
    assert rule["backendRefs"] == [{"name": NAME, "port": 8000}]
    assert rule["timeouts"] == {"request": "0s"}, "a stream may last"
    rules = rendered.one("GRPCRoute")["spec"]["rules"]
    assert {match["method"]["service"] for each in rules for match in each["matches"]} == {*SERVICE_NAMES, *COMMON_SERVICES}
    assert all(each["backendRefs"] == [{"name": NAME, "port": 9000}] for each in rules)
    assert max(len(each["matches"]) for each in rules) <= 8, "what Gateway API 1.1 takes"


def test_routes_join_a_gateway_that_is_named() -> None:
    rendered = render(expose__host="llm.test", expose__gatewayApi={"enabled": True, "parentRefs": [{"name": "shared"}]})
    assert rendered.of("Gateway") == []
    assert rendered.one("HTTPRoute")["spec"]["parentRefs"] == [{"name": "shared"}]


def test_cert_manager_is_asked_for_both_hosts() -> None:
    issuer = {"enabled": True, "issuerRef": {"name": "letsencrypt", "kind": "ClusterIssuer"}}
    spec = render(expose__ingress__enabled=True, expose__tls=TLS | {"certManager": issuer}, **HOSTS).one("Certificate")["spec"]
    assert (spec["secretName"], spec["dnsNames"]) == ("certificate", ["llm.test", "grpc.test"])
    assert spec["issuerRef"]["name"] == "letsencrypt"


@pytest.mark.parametrize("mode", MODES)
def test_prometheus_scrapes_every_pod(mode: str) -> None:
    (endpoint,) = render(mode=mode, monitoring__kind="PodMonitor").one("PodMonitor")["spec"]["podMetricsEndpoints"]
    rendered = render(mode=mode, monitoring__kind="ServiceMonitor")
    service = rendered.one("Service", f"{NAME}-metrics")
    monitor = rendered.one("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    for pod, template in rendered.pods().items():
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        assert {"name": endpoint["port"], "containerPort": 9464} in rendered.container(pod)["ports"]


@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        ({"kind": "emptyDir"}, {"emptyDir": {}}),
        ({"kind": "pvc", "claimName": "weights"}, {"persistentVolumeClaim": {"claimName": "weights"}}),
        ({"kind": "hostPath", "hostPath": "/weights"}, {"hostPath": {"path": "/weights", "type": "Directory"}}),
    ],
)
def test_weights_are_kept_where_the_values_say(cache: dict[str, str], volume: dict[str, object]) -> None:
    rendered = render(modelCache=cache)
    (mounted,) = [each for each in rendered.pods()["engine-acme-model-1-5"]["spec"]["volumes"] if each["name"] == "models"]
    assert mounted == {"name": "models"} | volume
    assert rendered.environment("engine-acme-model-1-5")["HF_HOME"]["value"] == "/var/cache/ossature"
    assert [each["metadata"]["name"] for each in rendered.of("PersistentVolumeClaim")] == [f"{NAME}-storage"]


NOTES_AS_MANIFEST = """\
{{- define "notes" }}%s{{ end -}}
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {notes: {{ include "notes" . | toJson }}}
"""


def notes(tmp_path: Path, *options: str) -> str:
    """Helm shows notes only where it installs; as a manifest they are rendered anywhere."""
    chart = shutil.copytree(CHART, tmp_path / "ossature")
    (chart / "templates/notes.yaml").write_text(NOTES_AS_MANIFEST % (CHART / "templates/NOTES.txt").read_text())
    given = ("--values", str(CHART / "values-cpu-trial.yaml"), *options, "--show-only", "templates/notes.yaml")
    return str(yaml.safe_load(helm("template", "demo", str(chart), *given).stdout)["data"]["notes"])


@pytest.mark.parametrize("mode", MODES)
def test_the_notes_name_three_commands(mode: str, tmp_path: Path) -> None:
    text = notes(tmp_path, "--set", f"mode={mode}")
    assert [line[:2] for line in text.splitlines() if line[:2] in ("1.", "2.", "3.")] == ["1.", "2.", "3."]
    assert "ossature org create" in text
    assert "end with the pod" in text, "what a trial does not keep"


@pytest.mark.parametrize("way", ["service.type=LoadBalancer", "expose.ingress.enabled=true"])
def test_the_notes_say_that_a_policy_decides_who_gets_in(way: str, tmp_path: Path) -> None:
    assert "networkPolicy.clients" in notes(tmp_path, "--set", way, "--set", "expose.host=llm.test")


def test_the_notes_are_silent_about_policies_where_nobody_comes_from_outside(tmp_path: Path) -> None:
    assert "networkPolicy.clients" not in notes(tmp_path)


# --- `helm test` ------------------------------------------------------------------------------------------------------------


class FakeCluster(http.server.BaseHTTPRequestHandler):
    statuses = {"/readyz": 200, "/v1/models": 401}

    def do_GET(self) -> None:
        self.send_response(self.statuses[self.path])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def asked(statuses: dict[str, int]) -> subprocess.CompletedProcess[str]:
    handler = type("Handler", (FakeCluster,), {"statuses": statuses})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {"HTTP": f"http://127.0.0.1:{server.server_address[1]}", "PATH": os.environ["PATH"]}
        (container,) = render().one("Pod")["spec"]["containers"]
        script = container["args"][0]
        outcome = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
        server.shutdown()
    return outcome


@pytest.mark.parametrize(
    ("statuses", "passes"),
    [
        ({"/readyz": 200, "/v1/models": 401}, True),
        ({"/readyz": 503, "/v1/models": 401}, False),
        ({"/readyz": 200, "/v1/models": 200}, False),
    ],
)
def test_helm_test_passes_on_a_cluster_that_serves_and_refuses_strangers(statuses: dict[str, int], passes: bool) -> None:
    outcome = asked(statuses)
    assert (outcome.returncode == 0) is passes, outcome.stdout + outcome.stderr


def test_the_test_pod_is_removed_when_it_has_passed() -> None:
    annotations = render().one("Pod")["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
