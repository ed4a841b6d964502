"""Who may talk to whom: the policies are read as a network plugin reads them, and asked about each pair of ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart import MODEL, MODES, NAME, READY, Manifest, Rendered, refusal, render

OURS = {"ossature/cluster": NAME}
ANYBODY = {"labels": {}, "namespace": "elsewhere"}
NEIGHBOUR = {"labels": {"app": "web"}, "namespace": "models"}
PROMETHEUS = {"labels": {}, "namespace": "monitoring"}
OPERATOR = {"labels": {"app.kubernetes.io/name": "kuberay-operator"}, "namespace": "kuberay"}
TUNING: dict[str, Any] = {"config__tuning": {"enabled": True}, "models": [MODEL | {"adapters": {"enabled": True}}]}
BUCKET: dict[str, Any] = {"kind": "s3", "s3": {"url": "s3://bucket/prefix", "credentialsSecret": {"name": "bucket"}}}
TEST = {"labels": OURS | {"ossature/role": "test"}, "namespace": "models"}


def role(name: str) -> dict[str, Any]:
    return {"labels": OURS | {"ossature/role": name}, "namespace": "models"}


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    for rule in selector.get("matchExpressions", []):
        inside = labels.get(rule["key"]) in rule["values"]
        if inside is not (rule["operator"] == "In"):
            return False
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())


def matches(peer: Manifest, end: dict[str, Any]) -> bool:
    assert "ipBlock" not in peer
    namespaces = peer.get("namespaceSelector")
    if namespaces is None and end["namespace"] != "models":
        return False
    if namespaces is not None and not selects(namespaces, {"kubernetes.io/metadata.name": end["namespace"]}):
        return False
    return "podSelector" not in peer or selects(peer["podSelector"], end["labels"])


def enters(rendered: Rendered, end: dict[str, Any], pod: str, port: str | int) -> bool:
    """Whether a connection from ``end`` to a port (its name, or a number that has none) of a pod of this role is let in."""
    return any(
        rule.get("ports") is None or port in [each["port"] for each in rule["ports"]]
        for policy in rendered.of("NetworkPolicy")
        if selects(policy["spec"]["podSelector"], role(pod)["labels"])
        for rule in policy["spec"].get("ingress", [])
        if any(matches(peer, end) for peer in rule["from"])
    )


def leaves(rendered: Rendered, pod: str) -> set[int]:
    """Ports outside the release that a pod of this role may reach."""
    return {
        each["port"]
        for policy in rendered.of("NetworkPolicy")
        if selects(policy["spec"]["podSelector"], role(pod)["labels"])
        for rule in policy["spec"].get("egress", [])
        for each in rule.get("ports", [])
        if isinstance(each["port"], int)
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("values", [*READY, None])
def test_every_pod_is_closed_both_ways_unless_a_flow_opens_it(values: str | None, mode: str) -> None:
    rendered = render(values, mode)
    (deny,) = [each for each in rendered.of("NetworkPolicy") if each["metadata"]["name"] == f"{NAME}-default-deny"]
    assert set(deny["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in deny["spec"]
    assert "egress" not in deny["spec"]
    pods = [*rendered.pods().values(), *rendered.of("Pod")]
    assert all(selects(deny["spec"]["podSelector"], pod["metadata"]["labels"]) for pod in pods)


def test_each_flow_says_what_it_is_for() -> None:
    settings = {"autoscaling__enabled": True, "redis__address": "redis:6379", "monitoring__kind": "PodMonitor"}
    policies = render(**settings, **TUNING, storage=BUCKET).of("NetworkPolicy")
    flows = {
        each["metadata"]["name"].removeprefix(f"{NAME}-"): each["metadata"]["annotations"]["ossature/flow"] for each in policies
    }
    assert flows.keys() == {
        "default-deny", "ray", "clients", "dns", "prometheus", "kuberay-operator", "database", "gateway-database", "redis",
        "jobs-database", "object-store", "images", "downloads", "kubernetes-api", "test",
    }  # fmt: skip
    assert all(len(text) > 20 for text in flows.values())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("port", ["serve", "grpc"])
def test_clients_reach_the_edges_of_ingress_pods_alone(mode: str, port: str) -> None:
    rendered = render(mode=mode)
    assert enters(rendered, NEIGHBOUR, "ingress", port)
    assert enters(rendered, TEST, "ingress", port)
    assert not enters(rendered, ANYBODY, "ingress", port)
    assert not any(enters(rendered, NEIGHBOUR, pod, port) for pod in ("head", "engine", "speech", "jobs", "tuning"))


#: HAProxy's statistics and metrics, replicas' HTTP and gRPC, the relay, Ray's GCS, client, agents and workers.
CLOSED: list[str | int] = [
    8404,
    9101,
    30000,
    31000,
    40000,
    41000,
    20000,
    20099,
    10001,
    10002,
    6379,
    "gcs-server",
    "dashboard-agent",
]


@pytest.mark.parametrize("port", CLOSED)
@pytest.mark.parametrize("pod", ["head", "ingress", "speech", "engine", "jobs", "tuning"])
def test_inner_ports_are_closed_to_everybody_outside_the_cluster(pod: str, port: str | int) -> None:
    for mode in MODES:
        rendered = render(mode=mode, monitoring__kind="PodMonitor")
        for end in (ANYBODY, NEIGHBOUR, PROMETHEUS, OPERATOR, TEST):
            assert not enters(rendered, end, pod, port), (mode, end)
        assert enters(rendered, role("engine"), pod, port), "pods of the cluster reach each other"


def test_rays_dashboard_is_open_to_the_operator_alone() -> None:
    rendered = render(monitoring__kind="PodMonitor")
    assert enters(rendered, OPERATOR, "head", "dashboard")
    assert not any(enters(rendered, end, "head", "dashboard") for end in (ANYBODY, NEIGHBOUR, PROMETHEUS, TEST))
    assert not enters(render(mode="standalone"), OPERATOR, "head", "dashboard")


def test_metrics_are_open_to_prometheus_alone() -> None:
    rendered = render(monitoring__kind="PodMonitor")
    for pod in ("head", "ingress", "speech", "engine"):
        assert enters(rendered, PROMETHEUS, pod, "exporter")
        assert not enters(rendered, NEIGHBOUR, pod, "exporter")
    assert not enters(render(), PROMETHEUS, "head", "exporter"), "nobody asks for them"


def test_pods_leave_for_what_they_need_and_nothing_else() -> None:
    rendered = render(redis__address="redis:6379")
    assert leaves(rendered, "engine") == {53, 443}
    assert leaves(rendered, "speech") == {53}
    assert leaves(rendered, "ingress") == {53, 5432}
    assert leaves(rendered, "jobs") == {53, 5432}
    assert leaves(rendered, "head") == {53, 5432, 6379}
    assert leaves(render(huggingFace__offline=True), "engine") == {53}
    assert leaves(render(autoscaling__enabled=True), "head") == {53, 5432, 443, 6443}


def test_traces_leave_only_where_there_is_a_collector() -> None:
    traced = render(config__tracing={"endpoint": "http://collector:4318"})
    for pod in ("head", "ingress", "engine"):
        assert 4318 in leaves(traced, pod)
        assert 4318 not in leaves(render(), pod)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"redis__address": "redis.cache:6380"}, "networkPolicy.redis.port: port 6380 of redis.address is closed"),
        ({"redis__address": "redis-0:6379,redis-1:6390"}, "port 6390 of redis.address"),
        ({"config__tracing": {"endpoint": "https://collector"}}, "networkPolicy.tracing.port: port 443 of config.tracing.endpoint"),
        (
            {"storage": BUCKET | {"s3": {**BUCKET["s3"], "endpoint": "http://minio.storage:9000"}}},
            "networkPolicy.objectStore.ports: port 9000 of storage.s3.endpoint is closed",
        ),
    ],
)
def test_an_address_whose_port_a_policy_keeps_closed_is_refused(settings: dict[str, Any], named: str) -> None:
    assert named in refusal(**settings)
    assert render(networkPolicy__enabled=False, **settings).of("NetworkPolicy") == []


@pytest.mark.parametrize("address", ["redis", "redis:6379", "rediss://redis.cache"])
def test_an_address_without_a_port_has_its_usual_one(address: str) -> None:
    assert 6379 in leaves(render(redis__address=address), "head")


def test_downloads_do_not_reach_the_clouds_metadata() -> None:
    (policy,) = [each for each in render().of("NetworkPolicy") if each["metadata"]["name"].endswith("-downloads")]
    (peer,) = policy["spec"]["egress"][0]["to"]
    assert "169.254.0.0/16" in peer["ipBlock"]["except"]


def test_an_object_store_is_reached_by_those_who_keep_files_or_fetch_adapters() -> None:
    rendered = render(storage=BUCKET, networkPolicy__objectStore={"ports": [9000]}, **TUNING)
    assert {pod for pod in ("head", "ingress", "speech", "engine", "jobs", "tuning") if 9000 in leaves(rendered, pod)} == {
        "ingress", "jobs", "engine",
    }  # fmt: skip
    assert not any(9000 in leaves(render(networkPolicy__objectStore={"ports": [9000]}), pod) for pod in ("ingress", "engine"))


def test_images_of_training_examples_are_fetched_by_the_worker_of_jobs_alone_and_from_no_private_network() -> None:
    rendered = render(**TUNING)
    assert {pod for pod in ("head", "ingress", "speech", "engine", "jobs", "tuning") if 80 in leaves(rendered, pod)} == {"jobs"}
    (policy,) = [each for each in rendered.of("NetworkPolicy") if each["metadata"]["name"].endswith("-images")]
    (peer,) = policy["spec"]["egress"][0]["to"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(peer["ipBlock"]["except"])
    assert leaves(render(**TUNING, huggingFace__offline=True), "jobs") == {53, 5432}
    assert leaves(render(), "jobs") == {53, 5432}, "without fine-tuning nobody asks for images"


def test_images_of_chats_are_fetched_by_gateways_where_a_model_sees() -> None:
    seeing = [MODEL | {"image_input": True}]
    everybody = ("head", "ingress", "speech", "engine", "jobs", "tuning")
    assert {pod for pod in everybody if 80 in leaves(render(models=seeing), pod)} == {"ingress"}
    assert 80 not in leaves(render(), "ingress"), "no model sees"
    assert 80 not in leaves(render(models=seeing, config__images={"fetch": False}), "ingress")
    assert 80 not in leaves(render(models=seeing, huggingFace__offline=True), "ingress")


def test_clients_are_those_that_the_values_name() -> None:
    rendered = render(networkPolicy__clients=[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}])
    assert enters(rendered, ANYBODY, "ingress", "serve")
    assert not enters(rendered, NEIGHBOUR, "ingress", "serve")


def test_an_empty_list_of_who_may_come_in_lets_nobody_in() -> None:
    """To Kubernetes a rule without peers is one for everybody."""
    nobody: dict[str, Any] = {"networkPolicy__prometheus": [], "networkPolicy__kuberayOperator": [], "networkPolicy__clients": []}
    rendered = render(monitoring__kind="PodMonitor", **nobody)
    for policy in rendered.of("NetworkPolicy"):
        assert all(rule["from"] for rule in policy["spec"].get("ingress", [])), policy["metadata"]["name"]
    for end in (OPERATOR, PROMETHEUS, NEIGHBOUR):
        assert not any(
            enters(rendered, end, pod, port) for pod in ("head", "ingress") for port in ("dashboard", "exporter", "serve")
        )
    assert enters(rendered, TEST, "ingress", "serve")


def test_without_network_policies_there_are_none() -> None:
    assert render(networkPolicy__enabled=False).of("NetworkPolicy") == []
