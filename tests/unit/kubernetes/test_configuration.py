"""The configuration file and the Serve configuration that the chart renders are what the program takes."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import yaml

from cluster.config.loading import load, load_text
from cluster.config.schema import ClusterConfig
from cluster.edges.grpc import registration
from cluster.engine.placement import place
from cluster.runtime import rayservice, worker_setup
from cluster.runtime.serve_environment import is_confined, ray_environment
from tests.chart import CHART, MODEL, MODES, READY, ROOT, Rendered, render

DOCS = ROOT / "docs" / "kubernetes.md"
#: What the head is given beside the file.
SECRETS = {
    "OSSATURE_SECRET": "s" * 64,
    "OSSATURE_IDENTITY__ADMIN_KEY": "sk-admin-" + "a" * 48,
    "OSSATURE_DATABASE__URL": "postgresql+asyncpg://user:password@host/name",
}
RECIPES = {
    "values-cpu-trial.yaml": "demo.yaml",
    "values-one-gpu.yaml": "gpt-oss-20b-1x24gb.yaml",
    "values-8-gpus-gpt-oss-120b.yaml": "gpt-oss-120b-tp2.yaml",
}


def configuration(rendered: Rendered) -> ClusterConfig:
    return load_text(rendered.config_text(), SECRETS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("values", READY)
def test_every_ready_file_renders_a_configuration_that_loads(values: str, mode: str) -> None:
    config = configuration(render(values, mode))
    assert config.ray.address == "auto"
    assert not is_confined(config)
    assert config.relay.first_port == 20000


@pytest.mark.parametrize(("values", "recipe"), RECIPES.items())
def test_ready_models_are_those_of_the_recipes(values: str, recipe: str) -> None:
    (ours,) = configuration(render(values)).models
    (theirs,) = load(ROOT / "configs" / recipe, {}).models
    assert ours.id == theirs.id
    assert ours.engine == theirs.engine
    assert ours.max_ongoing_requests == theirs.max_ongoing_requests
    assert ours.placement.gpus_per_worker == theirs.placement.gpus_per_worker
    assert ours.placement.strategy == theirs.placement.strategy


@pytest.mark.slow
@pytest.mark.parametrize("values", READY)
def test_vllm_knows_every_engine_argument(values: str) -> None:
    from cluster.engine.vllm import arguments

    for model in configuration(render(values)).models:
        assert [problem for problem in arguments.check(model) if not problem.startswith("source:")] == []


def test_two_nodes_hold_sixteen_tensor_parallel_ranks() -> None:
    rendered = render("values-two-nodes-tp16.yaml")
    (model,) = configuration(rendered).models
    assert (model.engine["tensor_parallel_size"], model.world_size, place(model).executor) == (16, 16, "ray")
    group = next(each for each in workers(rendered) if each["groupName"] == "engine-deepseek-r1")
    assert (group["replicas"], group["numOfHosts"], group["rayStartParams"]["num-gpus"]) == (1, 2, "8")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"config__relay": {"implementation": "handle"}},
        {"config__http": {"max_body_bytes": 1 << 20}},
        {"config__realtime": {"enabled": False}, "config__admission": {"request_timeout_s": 1234.5}},
        {"config__realtime": {"max_session_s": 7200}},
    ],
)
def test_pods_have_the_environment_that_ray_needs(mode: str, setting: dict[str, Any]) -> None:
    rendered = render(mode=mode, **setting)
    for pod in rendered.pods():
        given = {name: each.get("value") for name, each in rendered.environment(pod).items()}
        assert given.items() >= ray_environment(configuration(rendered)).items(), pod


def test_kuberay_is_told_the_version_of_ray_that_the_images_hold() -> None:
    import ray

    assert render().one("RayService")["spec"]["rayClusterConfig"]["rayVersion"] == ray.__version__


def test_ports_that_are_refused_are_those_of_ray_serve() -> None:
    from ray.serve._private import constants

    refused = (CHART / "templates" / "_checks.tpl").read_text()
    (taken,) = re.findall(r"\$taken := list ([\d ]+)", refused)
    assert {int(port) for port in taken.split()} >= {
        constants.RAY_SERVE_HAPROXY_METRICS_PORT,
        constants.RAY_SERVE_HAPROXY_STATS_PORT,
        constants.RAY_SERVE_FALLBACK_PROXY_HTTP_PORT,
        constants.RAY_SERVE_FALLBACK_PROXY_GRPC_PORT,
    }


def test_large_numbers_stay_whole() -> None:
    (model,) = configuration(render("values-cpu-trial.yaml")).models
    assert model.engine["kv_cache_memory_bytes"] == 536870912


def test_settings_of_the_values_reach_the_file() -> None:
    config = configuration(render(config={"routing": {"load_factor": 1.5}, "admission": {"request_timeout_s": 30}}))
    assert (config.routing.load_factor, config.admission.request_timeout_s) == (1.5, 30)


def workers(rendered: Rendered) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = rendered.one("RayService")["spec"]["rayClusterConfig"].get("workerGroupSpecs", [])
    return groups


def offers(group: dict[str, Any]) -> dict[str, float]:
    """What a pod of the group tells Ray that it has."""
    parameters = group["rayStartParams"]
    custom = yaml.safe_load(parameters["resources"].strip("'")) if "resources" in parameters else {}
    return {"CPU": float(parameters["num-cpus"]), "GPU": float(parameters["num-gpus"]), **custom}


@pytest.mark.parametrize("values", [*READY, None])
def test_ray_has_what_the_deployments_reserve(values: str | None) -> None:
    rendered = render(values)
    config = configuration(rendered)
    cluster = rendered.one("RayService")["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"] | {"replicas": 1}, *workers(rendered)]
    total: dict[str, float] = {}
    for group in groups:
        for name, amount in offers(group).items():
            total[name] = total.get(name, 0) + amount * group["replicas"] * group.get("numOfHosts", 1)
    wanted: dict[str, float] = {"CPU": config.gateway.replicas * config.gateway.num_cpus}
    reserved = [config.gateway.resources] * config.gateway.replicas + [config.speech.resources] * config.speech.replicas
    reserved.append(config.jobs.resources)
    for model in config.models:
        reserved += [bundle for _ in range(model.replicas) for bundle in place(model).bundles]
    for bundle in reserved:
        for name, amount in bundle.items():
            wanted[name] = wanted.get(name, 0) + amount
    assert {name: amount for name, amount in wanted.items() if total.get(name, 0) < amount} == {}
    assert total["GPU"] == wanted.get("GPU", 0), "a GPU that nobody reserves stays idle"


@pytest.mark.parametrize("layout", ["separate", "single-pod"])
def test_ray_has_the_resources_that_models_name_themselves(layout: str) -> None:
    """In fractions, in several, and shared by models: a replica for which there is too little waits for ever."""
    placement = {"gpus_per_worker": 0.25, "resources_per_worker": {"fabric": 0.5, "licence": 2}}
    models = [MODEL | {"id": name, "replicas": 2, "placement": placement, "pods": {"replicasPerPod": 2}} for name in ("a", "b")]
    rendered = render(layout=layout, models=models, rayservice__upgradeStrategy={"type": "None"})
    cluster = rendered.one("RayService")["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"] | {"replicas": 1}, *workers(rendered)]
    total = {name: sum(offers(group).get(name, 0) * group["replicas"] for group in groups) for name in ("fabric", "licence")}
    assert total == {"fabric": 2, "licence": 8}


def test_pods_without_a_gpu_of_kubernetes_are_shown_none_of_the_node() -> None:
    for rendered in (render(), render(mode="standalone")):
        hidden = {pod for pod in rendered.pods() if "NVIDIA_VISIBLE_DEVICES" in rendered.environment(pod)}
        assert hidden == rendered.pods().keys() - {"engine-acme-model-1-5"}, "there the device plugin says which"
        assert rendered.environment("ingress")["NVIDIA_VISIBLE_DEVICES"]["value"] == "void"


def test_the_documented_install_makes_every_secret_that_its_values_name() -> None:
    """A pod whose Secret is missing never starts."""
    (block,) = [each for each in re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL) if "helm install" in each]
    made = set(re.findall(r"create secret generic (\S+)", block))
    (values,) = [each for each in READY if each in block]
    rendered = render(values)
    own = {each["metadata"]["name"].replace("demo-", "") for each in rendered.of("Secret")}
    references = [
        each["valueFrom"]["secretKeyRef"]
        for pod in rendered.pods()
        for each in rendered.environment(pod).values()
        if "valueFrom" in each
    ]
    redis = rendered.one("RayService")["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]["redisPassword"]
    named = {
        each["name"].replace("demo-", "") for each in [*references, redis["valueFrom"]["secretKeyRef"]] if not each.get("optional")
    }
    assert named - own == made


def test_kubernetes_gives_the_gpus_that_ray_is_told_of() -> None:
    rendered = render()
    group = next(each for each in workers(rendered) if each["groupName"] == "engine-acme-model-1-5")
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == int(group["rayStartParams"]["num-gpus"]) == 1


@pytest.mark.parametrize("values", READY)
def test_the_serve_configuration_is_ray_serves(values: str) -> None:
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(render(values).serve_config())
    (application,) = schema.applications
    assert (schema.http_options.host, schema.http_options.port, schema.grpc_options.port) == ("0.0.0.0", 8000, 9000)
    assert schema.grpc_options.grpc_servicer_functions == list(registration.SERVICER_FUNCTIONS)
    module, _, name = application.import_path.partition(":")
    assert (module, getattr(rayservice, name)) == (rayservice.__name__, rayservice.application)
    assert len(inspect.signature(rayservice.application).parameters) == 1, "what Ray Serve asks of a builder"


@pytest.mark.parametrize("values", [*READY, None])
def test_the_application_of_a_rayservice_is_the_one_of_the_file(values: str | None) -> None:
    rendered = render(values)
    (application,) = rendered.serve_config()["applications"]
    config = load_text(rayservice.Arguments.model_validate(application["args"]).config, SECRETS)
    numbers = {each["name"]: each["num_replicas"] for each in application["deployments"]}
    expected = configuration(rendered)
    assert numbers["gateway"] == expected.gateway.replicas
    assert numbers["speech"] == expected.speech.replicas
    assert {model.id: numbers[f"engine:{model.id}"] for model in config.models} == {m.id: m.replicas for m in expected.models}
    assert without_replicas(config) == without_replicas(expected)


def without_replicas(config: ClusterConfig) -> dict[str, Any]:
    data = config.model_dump(exclude={"gateway": {"replicas"}, "speech": {"replicas"}})
    for model in data["models"]:
        del model["replicas"]
    return data


def test_a_changed_number_of_replicas_changes_no_argument_of_the_application() -> None:
    """Serve replaces every replica when an argument changes."""
    few, many = (render(models=[MODEL | {"replicas": count}]).serve_config()["applications"][0] for count in (2, 3))
    assert few["args"] == many["args"]
    assert few["deployments"] != many["deployments"]


def test_the_set_up_hook_is_a_function_that_pods_of_a_rayservice_name() -> None:
    name, value = rayservice.SETUP_HOOK
    for pod in render().pods():
        assert render().environment(pod)[name]["value"] == value
    module, _, function = value.rpartition(".")
    assert (module, getattr(worker_setup, function)) == (worker_setup.__name__, worker_setup.plain)
    from ray._private import ray_constants

    assert name == ray_constants.WORKER_PROCESS_SETUP_HOOK_ENV_VAR
    assert name not in render(mode="standalone").environment("head"), "there `ossature serve` gives it, and Ray takes it once"


def test_a_standalone_head_serves_and_its_nodes_join_it() -> None:
    rendered = render(mode="standalone")
    (head,) = rendered.container("head")["args"]
    assert head.strip().splitlines()[-1] == "exec ossature serve --config /etc/ossature/config.yaml"
    (node,) = rendered.container("ingress")["args"]
    assert "--address=demo-ossature-head:6379" in node
    assert rendered.one("Service", "demo-ossature-head")["spec"]["ports"][0]["port"] == 6379
