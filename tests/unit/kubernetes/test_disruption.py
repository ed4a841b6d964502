"""What happens to pods that are to leave: evictions, draining, a second cluster beside the first, the end of a release."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cluster.config.loading import load_text
from tests.chart import MODEL, MODES, NAME, READY, ROOT, Rendered, refusal, render

ENGINE = "engine-acme-model-1-5"
SECRETS = {"OSSATURE_SECRET": "s" * 64, "OSSATURE_DATABASE__URL": "postgresql+asyncpg://user:password@host/name"}
DEFINITION = ROOT.parent / "shared" / "kuberay" / "ray.io_rayclusters.yaml"


def budgets(rendered: Rendered) -> dict[str, dict[str, Any]]:
    """By the name of their pods: each budget's specification."""
    return {each["metadata"]["name"].removeprefix(f"{NAME}-"): each["spec"] for each in rendered.of("PodDisruptionBudget")}


# --- Evictions --------------------------------------------------------------------------------------------------------------


def test_a_deployments_pods_leave_one_at_a_time_and_a_lonely_head_does_not() -> None:
    found = budgets(render(mode="standalone"))
    assert {name: spec["maxUnavailable"] for name, spec in found.items()} == {
        "head": 0, "ingress": 1, "jobs": 1, "speech": 1, ENGINE: 1,
    }  # fmt: skip
    assert found[ENGINE]["selector"]["matchLabels"]["ossature/model"] == "acme-model-1-5"


@pytest.mark.parametrize("values", [*READY, None])
def test_budgets_of_a_rayservice_count_pods_themselves(values: str | None) -> None:
    """Kubernetes can't ask a RayCluster how many pods there should be: with `maxUnavailable` it would refuse every eviction."""
    for spec in budgets(render(values)).values():
        assert "maxUnavailable" not in spec
        assert isinstance(spec["minAvailable"], int)
        assert spec["minAvailable"] >= 1


def test_kuberays_definition_has_no_scale_that_a_budget_could_ask_for() -> None:
    if not DEFINITION.exists():
        pytest.skip(f"needs KubeRay's definitions in {DEFINITION.parent}")
    versions = yaml.load(DEFINITION.read_text(), Loader=yaml.CSafeLoader)["spec"]["versions"]
    assert [each["subresources"] for each in versions] == [{"status": {}}] * len(versions)


def test_a_rayservices_pods_leave_one_at_a_time_and_a_lonely_head_does_not() -> None:
    found = budgets(render(ingressPods__count=3))
    # One pod of jobs or speech may leave: nothing has to stay.
    assert {name: spec["minAvailable"] for name, spec in found.items()} == {"head": 1, "ingress": 2, ENGINE: 1}


def test_where_engines_are_scaled_the_fewest_count() -> None:
    scaled = {name: value for name, value in MODEL.items() if name != "replicas"}
    model = scaled | {"autoscaling": {"min_replicas": 3, "max_replicas": 8}}
    assert budgets(render(models=[model], autoscaling__enabled=True))[ENGINE]["minAvailable"] == 2


def test_pods_that_rays_autoscaler_takes_away_are_not_asked_to_stay() -> None:
    """A budget above the pods that are left would hold up every drain of their nodes."""
    tuning: dict[str, Any] = {
        "config__tuning": {"enabled": True},
        "tuningPods__count": 3,
        "config__tuned_models": {"max_merged_models": 2},
    }
    models = [MODEL | {"adapters": {"enabled": True}, "pods": {"mergedModels": 2}}]
    kept, scaled = (budgets(render(models=models, autoscaling__enabled=scales, **tuning)) for scales in (False, True))
    assert (kept[ENGINE]["minAvailable"], kept["tuning"]["minAvailable"]) == (3, 2)
    assert scaled[ENGINE]["minAvailable"] == 1
    assert "tuning" not in scaled


def test_with_redis_the_head_may_be_evicted() -> None:
    assert budgets(render(mode="standalone", redis__address="redis:6379"))["head"]["maxUnavailable"] == 1
    assert "head" not in budgets(render(redis__address="redis:6379"))


@pytest.mark.parametrize("mode", MODES)
def test_a_pod_that_is_broken_holds_up_no_drain(mode: str) -> None:
    assert {spec["unhealthyPodEvictionPolicy"] for spec in budgets(render(mode=mode)).values()} == {"AlwaysAllow"}


# --- Draining ---------------------------------------------------------------------------------------------------------------


def test_ray_reads_the_variable_of_draining() -> None:
    from ray._private import ray_constants

    assert hasattr(ray_constants, "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("drain_s", [0, 60, 900])
def test_streams_of_a_pod_that_ends_have_the_configured_time_and_kubernetes_waits_for_it(mode: str, drain_s: int) -> None:
    """After the pause before the end Ray gives the node's replicas nothing new, and waits; for 30 s unless it is told otherwise."""
    rendered = render(mode=mode, drainSeconds=drain_s)
    for name, pod in rendered.pods().items():
        assert rendered.environment(name)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]["value"] == str(drain_s), name
        pause_s = int(rendered.container(name)["lifecycle"]["preStop"]["exec"]["command"][1])
        assert pod["spec"]["terminationGracePeriodSeconds"] > pause_s + drain_s, name


def test_an_ingress_pod_of_a_standalone_rollout_is_not_waited_for_before_one_has_given_up_its_gateway() -> None:
    """Serve runs HAProxy on nodes with a replica only, and there are as many gateways as pods: a pod more would never be ready."""
    rendered = render(mode="standalone")
    assert rendered.one("Deployment", f"{NAME}-ingress")["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": 0,
        "maxUnavailable": 1,
    }
    assert load_text(rendered.config_text(), SECRETS).gateway.replicas == 2
    for name in ("jobs", "speech"):  # ready as soon as Ray runs
        assert rendered.one("Deployment", f"{NAME}-{name}")["spec"]["strategy"]["rollingUpdate"] == {
            "maxSurge": 1,
            "maxUnavailable": 0,
        }


# --- A second cluster beside the first ----------------------------------------------------------------------------------------


def test_a_second_cluster_of_single_pods_is_refused() -> None:
    """Its pod must be ready before the operator deploys to it, so that the Service would lead to it while models load."""
    message = refusal(layout="single-pod")
    assert "rayservice.upgradeStrategy.type: must be None with layout single-pod" in message
    assert render(layout="single-pod", rayservice__upgradeStrategy={"type": "None"}).of("RayService")
    assert render(mode="standalone", layout="single-pod").of("Deployment")


def test_a_new_version_of_the_chart_alone_changes_no_pod_of_a_rayservice() -> None:
    """Whatever changes a pod starts a second cluster, with as many GPUs again."""
    for name, pod in render(commonLabels={"team": "search"}).pods().items():
        labels = pod["metadata"]["labels"]
        assert not labels.keys() & {"helm.sh/chart", "app.kubernetes.io/version"}, name
        assert labels["team"] == "search"
        assert labels["app.kubernetes.io/instance"] == "demo"


def test_pods_of_a_rayservice_leave_kuberays_own_labels_alone() -> None:
    """Its Service of the head looks for them."""
    for name, pod in render().pods().items():
        assert not pod["metadata"]["labels"].keys() & {"app.kubernetes.io/name", "app.kubernetes.io/created-by"}, name


#: Settings that pods are made of, beside those of `pods`: a change of one is a change of the pods.
OF_PODS: list[dict[str, Any]] = [
    {"config__http": {"port": 8001}},
    {"config__http": {"max_body_bytes": 1 << 20}},
    {"config__grpc": {"enabled": False}},
    {"config__realtime": {"max_session_s": 7200}},
    {"config__gateway": {"num_cpus": 3}},
    {"models": [MODEL | {"start_timeout_s": 7200}]},
    {"models": [MODEL | {"engine": {"tensor_parallel_size": 2}}]},
    {"models": [MODEL | {"adapters": {"enabled": True}}]},
]
NOT_OF_PODS: list[dict[str, Any]] = [
    {"config__routing": {"load_factor": 2}},
    {"config__admission": {"request_timeout_s": 900}},
    {"models": [MODEL | {"engine": {"max_model_len": 4096}}]},
    {"models": [MODEL | {"max_ongoing_requests": 7}]},
]


@pytest.mark.parametrize(("settings", "changes"), [(each, True) for each in OF_PODS] + [(each, False) for each in NOT_OF_PODS])
def test_which_settings_are_changed_in_place(settings: dict[str, Any], changes: bool) -> None:
    assert (groups(render(**settings)) != groups(render())) is changes


def groups(rendered: Rendered) -> list[Any]:
    """Of a RayService: what KubeRay makes a second cluster for when it changes."""
    cluster = rendered.one("RayService")["spec"]["rayClusterConfig"]
    numbers = {"replicas", "minReplicas", "maxReplicas"}
    return [{key: value for key, value in each.items() if key not in numbers} for each in cluster["workerGroupSpecs"]]


def test_a_model_that_is_added_last_only_adds_its_pods() -> None:
    """KubeRay takes over groups at the end of the list without a second cluster."""
    before, after = groups(render()), groups(render(models=[MODEL, MODEL | {"id": "another"}]))
    assert after[: len(before)] == before
    assert [each["groupName"] for each in after[len(before) :]] == ["engine-another"]


# --- The end of a release -----------------------------------------------------------------------------------------------------


def test_kuberays_cleaning_of_redis_starts_after_the_release_is_gone() -> None:
    """Its pod is a copy of the head's, and begins when Helm has long removed the configuration."""
    (volume,) = [each for each in render().pods()["head"]["spec"]["volumes"] if each["name"] == "config"]
    assert volume["configMap"]["optional"] is True
    (volume,) = [each for each in render(mode="standalone").pods()["head"]["spec"]["volumes"] if each["name"] == "config"]
    assert "optional" not in volume["configMap"], "`ossature serve` can't do without"
