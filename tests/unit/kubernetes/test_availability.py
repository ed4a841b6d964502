"""What keeps the cluster up: probes, upgrades, scaling, placement of pods. Pods that leave: test_disruption.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart import MODEL, MODES, NAME, READY, refusal, render

SCALED = MODEL | {"autoscaling": {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 20}}
del SCALED["replicas"]
TUNABLE = MODEL | {"adapters": {"enabled": True}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("values", [*READY, None])
def test_every_pod_has_its_probes(values: str | None, mode: str) -> None:
    rendered = render(values, mode)
    for name in rendered.pods():
        container = rendered.container(name)
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), name
        ports = {port["name"] for port in container["ports"]}
        assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} <= ports


def test_an_ingress_pod_takes_traffic_once_every_model_has_answered() -> None:
    container = render(models=[MODEL | {"start_timeout_s": 3600}]).container("ingress")
    assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] > 3600
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/healthz"


def test_the_operator_does_not_wait_for_what_it_has_yet_to_deploy() -> None:
    """It deploys when the head is ready, so that a head's readiness can't depend on the application."""
    for layout in (None, "values-cpu-trial.yaml"):
        container = render(layout).container("head")
        assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe")} == {"/api/gcs_healthz"}


def test_the_paths_of_probes_need_no_token() -> None:
    from pathlib import Path

    import ray.dashboard.http_server_agent as agent
    import ray.dashboard.http_server_head as head

    assert "/api/local_raylet_healthz" in Path(agent.__file__).read_text()
    assert "/api/gcs_healthz" in Path(head.__file__).read_text()


def test_ingress_pods_are_two_and_avoid_each_others_node() -> None:
    rendered = render(mode="standalone")
    assert rendered.one("Deployment", f"{NAME}-ingress")["spec"]["replicas"] == 2
    (term,) = rendered.pods()["ingress"]["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"


@pytest.mark.parametrize("mode", MODES)
def test_selectors_tolerations_and_topology_reach_the_models_pods(mode: str) -> None:
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
    pods = MODEL["pods"] | {"topologySpreadConstraints": [spread], "priorityClassName": "serving", "affinity": {"nodeAffinity": {}}}
    rendered = render(mode=mode, models=[MODEL | {"pods": pods}]).pods()
    spec = rendered["engine-acme-model-1-5"]["spec"]
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert spec["nodeSelector"] == {"gpu": "h100"}
    assert spec["topologySpreadConstraints"] == [spread]
    assert (spec["priorityClassName"], spec["affinity"]) == ("serving", {"nodeAffinity": {}})
    assert "tolerations" not in rendered["ingress"]["spec"]


@pytest.mark.parametrize("mode", MODES)
def test_the_service_leads_to_ingress_pods(mode: str) -> None:
    rendered = render(mode=mode)
    service = rendered.one("Service", NAME)
    labels = rendered.pods()["ingress"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    for name in ("head", "jobs", "speech", "engine-acme-model-1-5"):
        assert not service["spec"]["selector"].items() <= rendered.pods()[name]["metadata"]["labels"].items()
    named = {port["name"] for port in rendered.container("ingress")["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


@pytest.mark.parametrize("type_", ["NewCluster", "None"])
def test_the_upgrade_strategy_is_the_values(type_: str) -> None:
    rendered = render(rayservice__upgradeStrategy={"type": type_})
    assert rendered.one("RayService")["spec"]["upgradeStrategy"] == {"type": type_}


@pytest.mark.parametrize(
    ("values", "type_", "cost"),
    [
        ("values-8-gpus-gpt-oss-120b.yaml", "NewCluster", "takes 8 further GPUs"),
        ("values-two-nodes-tp16.yaml", "NewCluster", "takes 16 further GPUs"),
        ("values-two-nodes-tp16.yaml", "None", "no further GPU, and a gap"),
    ],
)
def test_a_rayservice_says_what_its_upgrade_costs_in_gpus(values: str, type_: str, cost: str) -> None:
    rendered = render(values, rayservice__upgradeStrategy={"type": type_})
    said = rendered.one("RayService")["metadata"]["annotations"]["ossature/upgrade"]
    assert said.startswith(f"{type_}: ")
    assert cost in said


def test_a_standalone_rollout_has_failed_only_when_models_had_time_to_load() -> None:
    """Kubernetes gives up after ten minutes by default, and tools that deploy call the release broken."""
    model = MODEL | {"start_timeout_s": 3600}
    for settings, pods in (({}, "ingress"), ({"layout": "single-pod"}, "head")):
        rendered = render(mode="standalone", models=[model], **settings)
        deployment = rendered.one("Deployment", f"{NAME}-{pods}")["spec"]
        probe = rendered.container(pods)["startupProbe"]
        assert deployment["progressDeadlineSeconds"] > max(3600, probe["periodSeconds"] * probe["failureThreshold"])


def test_a_standalone_upgrade_asks_for_no_further_gpu() -> None:
    rendered = render(mode="standalone")
    engine = rendered.one("Deployment", f"{NAME}-engine-acme-model-1-5")["spec"]
    assert engine["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert rendered.one("Deployment", f"{NAME}-head")["spec"]["strategy"]["type"] == "Recreate"


def test_nor_does_one_of_speech_pods_with_gpus() -> None:
    """With none to spare a pod more would wait for ever, and the rollout with it."""
    rendered = render(mode="standalone", config__speech={"num_gpus": 1})
    assert rendered.container("speech")["resources"]["limits"]["nvidia.com/gpu"] == 1
    speech = rendered.one("Deployment", f"{NAME}-speech")["spec"]
    assert speech["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_a_changed_configuration_restarts_a_standalone_head_and_no_pod_of_a_rayservice() -> None:
    changed: dict[str, Any] = {"config__routing": {"load_factor": 2}}
    assert render(mode="standalone").pods()["head"] != render(mode="standalone", **changed).pods()["head"]
    assert render(mode="standalone").pods()["ingress"] == render(mode="standalone", **changed).pods()["ingress"]
    assert render().pods() == render(**changed).pods()


def test_redis_keeps_the_heads_state() -> None:
    redis = {"address": "redis:6379", "passwordSecret": {"name": "redis", "key": "password"}}
    options = render(redis=redis).one("RayService")["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    assert options["redisAddress"] == "redis:6379"
    assert options["redisPassword"]["valueFrom"]["secretKeyRef"] == {"name": "redis", "key": "password"}
    standalone = render(mode="standalone", redis=redis)
    assert standalone.environment("head")["RAY_REDIS_ADDRESS"]["value"] == "redis:6379"
    assert standalone.environment("head")["RAY_external_storage_namespace"]["value"] == f"models-{NAME}", (
        "others may share the Redis"
    )
    assert standalone.environment("ingress")["RAY_gcs_rpc_server_reconnect_timeout_s"]["value"] == "600"


def test_rays_autoscaler_may_add_engine_pods_within_the_models_limits() -> None:
    cluster = render(models=[SCALED], autoscaling__enabled=True).one("RayService")["spec"]["rayClusterConfig"]
    assert cluster["enableInTreeAutoscaling"] is True
    limits = {each["groupName"]: (each["minReplicas"], each["maxReplicas"]) for each in cluster["workerGroupSpecs"]}
    assert limits["engine-acme-model-1-5"] == (0, 4)
    assert limits["ingress"] == (2, 2)
    assert limits["jobs"] == (1, 1)


def test_pods_may_follow_a_number_of_replicas_that_is_changed_later() -> None:
    """KubeRay takes over no limit that changes while a Ray cluster runs."""
    model = MODEL | {"pods": {"maxReplicas": 6}}
    for autoscaling, fewest in ((True, 0), (False, 2)):
        cluster = render(models=[model], autoscaling__enabled=autoscaling).one("RayService")["spec"]["rayClusterConfig"]
        (engine,) = [each for each in cluster["workerGroupSpecs"] if each["groupName"].startswith("engine")]
        assert (engine["minReplicas"], engine["replicas"], engine["maxReplicas"]) == (fewest, 2, 6)


def test_keda_scales_standalone_engine_pods_by_the_load_that_ray_serve_scales_by() -> None:
    rendered = render(mode="standalone", models=[SCALED], autoscaling__enabled=True)
    scaled = rendered.one("ScaledObject")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 4)
    assert scaled["triggers"][0]["metadata"]["threshold"] == "20"
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"] == {"selectPolicy": "Disabled"}
    assert "replicas" not in rendered.one("Deployment", scaled["scaleTargetRef"]["name"])["spec"], "an upgrade would reset it"


@pytest.mark.parametrize(("target", "in_pod", "threshold"), [(0.5, 1, "0.5"), (2.5, 2, "5"), (20, 1, "20")])
def test_a_pod_more_is_asked_for_at_the_load_of_the_replicas_in_one(target: float, in_pod: int, threshold: str) -> None:
    limits = {"max_replicas": 4, "target_ongoing_requests": target}
    model = SCALED | {"autoscaling": limits, "pods": {"replicasPerPod": in_pod}}
    rendered = render(mode="standalone", models=[model], autoscaling__enabled=True)
    assert rendered.one("ScaledObject")["spec"]["triggers"][0]["metadata"]["threshold"] == threshold


def test_a_horizontal_autoscaler_can_stand_in_for_keda() -> None:
    rendered = render(mode="standalone", models=[SCALED], autoscaling__enabled=True, standalone__autoscaling__kind="hpa")
    scaler = rendered.one("HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 4)
    assert scaler["behavior"]["scaleDown"] == {"selectPolicy": "Disabled"}
    assert rendered.of("ScaledObject") == []


def test_models_without_limits_are_not_scaled() -> None:
    assert render(mode="standalone", autoscaling__enabled=True).of("ScaledObject") == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": []}, "models: name one at least"),
        ({"database__urlSecret__name": ""}, "database.urlSecret.name"),
        ({"database__kind": "embedded"}, "layout single-pod"),
        ({"database__kind": "embedded", "layout": "single-pod"}, "upgradeStrategy.type: must be None"),
        ({"database__persistence__enabled": True}, "database.persistence"),
        ({"layout": "single-pod", "autoscaling__enabled": True}, "autoscaling.enabled"),
        ({"modelCache__kind": "hostPath"}, "modelCache.hostPath"),
        ({"adapterCache__kind": "hostPath"}, "adapterCache.hostPath"),
        ({"storage__kind": "pod"}, "storage.kind: pod"),
        ({"storage__kind": "s3"}, "storage.s3.url"),
        ({"storage": {"kind": "s3", "s3": {"url": "s3://bucket"}}}, "storage.s3.credentialsSecret.name"),
        ({"config__tuning": {"enabled": True}}, "no model has adapters.enabled"),
        ({"config__tuning": {"enabled": True}, "models": [TUNABLE], "tuningPods": {"gpusPerPod": 0}}, "tuningPods.gpusPerPod"),
        (
            {"config__tuning": {"enabled": True, "device": "cpu"}, "models": [TUNABLE], "tuningPods": {"gpusPerPod": 1}},
            "tuningPods.gpusPerPod",
        ),
        ({"models": [MODEL, MODEL | {"id": "acme/model.1.5"}]}, "have the same name in Kubernetes"),
        ({"models": [MODEL | {"pods": {"perReplica": 2}}]}, "can't be divided"),
        ({"models": [MODEL | {"engine": {"tensor_parallel_size": 2}, "pods": {"perReplica": 2}}]}, "needs PACK"),
        ({"expose__ingress__enabled": True}, "expose.host"),
        ({"expose__tls__enabled": True}, "expose.tls.secretName"),
        ({"config__http": {"port": 8080}}, "config.http.port: 8080 is Ray's in these pods"),
        ({"config__grpc": {"port": 9500}}, "config.grpc.port: 9500 is Ray's"),
        ({"config__metrics": {"port": 9101}}, "config.metrics.port: 9101 is Ray's"),
        ({"expose__tls": {"enabled": True, "secretName": "certificate"}}, "neither is enabled"),
        ({"expose__tls__certManager__enabled": True}, "needs expose.tls.enabled"),
        ({"expose__host": "llm.test", "expose__grpcHost": "llm.test"}, "expose.grpcHost: must be another host"),
    ],
)
def test_values_that_contradict_each_other_are_refused_by_name(settings: dict[str, object], message: str) -> None:
    assert message in refusal(**settings)
