"""What a pod may do, and who is told a secret."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from cluster.config.loading import load_text
from cluster.identity.secrets import is_secret
from tests.chart import MODES, NAME, READY, Manifest, Rendered, refusal, render

CASES = [(values, mode) for values in [*READY, None] for mode in MODES]


def templates(rendered: Rendered) -> dict[str, Manifest]:
    """Every pod, that of `helm test` among them."""
    return rendered.pods() | {pod["metadata"]["name"]: pod for pod in rendered.of("Pod")}


@pytest.mark.parametrize(("values", "mode"), CASES)
def test_pods_run_without_privileges(values: str | None, mode: str) -> None:
    for name, pod in templates(render(values, mode)).items():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] >= 1000, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


@pytest.mark.parametrize(("values", "mode"), CASES)
def test_no_pod_is_given_access_to_kubernetes(values: str | None, mode: str) -> None:
    for name, pod in templates(render(values, mode)).items():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["enableServiceLinks"] is False, name


def test_only_a_head_with_rays_autoscaler_is_given_access_to_kubernetes() -> None:
    pods = render(autoscaling__enabled=True).pods()
    assert {name for name, pod in pods.items() if pod["spec"]["automountServiceAccountToken"]} == {"head"}
    options = render(autoscaling__enabled=True).one("RayService")["spec"]["rayClusterConfig"]["autoscalerOptions"]
    assert options["securityContext"]["readOnlyRootFilesystem"] is True
    standalone = render(mode="standalone", autoscaling__enabled=True).pods()
    assert not any(pod["spec"]["automountServiceAccountToken"] for pod in standalone.values())


@pytest.mark.parametrize("mode", MODES)
def test_whatever_is_written_has_a_volume(mode: str) -> None:
    """The root file system is read-only."""
    for name, pod in render(mode=mode).pods().items():
        (container,) = pod["spec"]["containers"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert mounts >= {"/tmp", "/home/ossature", "/var/lib/ossature", "/dev/shm", "/var/cache/ossature"}, name
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, name


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [str(value)]


@pytest.mark.parametrize("mode", MODES)
def test_secrets_stand_in_the_secret_alone(mode: str) -> None:
    rendered = render(mode=mode, huggingFace__tokenSecret={"name": "hub", "key": "token"})
    secret = rendered.one("Secret")
    values = [base64.b64decode(value).decode() for value in secret["data"].values()]
    assert len(set(values)) == 3
    for manifest in rendered.manifests:
        if manifest is not secret:
            text = "\n".join(strings(manifest))
            assert not any(value in text for value in values), manifest["kind"]


@pytest.mark.parametrize("mode", MODES)
def test_variables_with_secrets_are_references(mode: str) -> None:
    rendered = render(
        mode=mode,
        huggingFace__tokenSecret={"name": "hub", "key": "token"},
        redis={"address": "redis:6379", "passwordSecret": {"name": "redis", "key": "password"}},
    )
    for pod in rendered.pods():
        for name, variable in rendered.environment(pod).items():
            if re.search("SECRET|PASSWORD|_KEY|TOKEN|DATABASE__URL", name):
                assert "value" not in variable, name
                assert variable["valueFrom"]["secretKeyRef"]["name"], name


@pytest.mark.parametrize("mode", MODES)
def test_the_clusters_secrets_are_given_to_the_head_alone(mode: str) -> None:
    rendered = render(mode=mode)
    wanted = {
        "OSSATURE_SECRET",
        "OSSATURE_ACCEPTED_SECRET",
        "OSSATURE_TRACING__HEADERS",
        "OSSATURE_DATABASE__URL",
        "OSSATURE_IDENTITY__ADMIN_KEY",
        "OSSATURE_ADMIN_KEY",
    }
    holders = {pod for pod in rendered.pods() if rendered.environment(pod).keys() & wanted}
    assert holders == {"head"}
    assert rendered.environment("head").keys() >= wanted


def test_made_secrets_are_what_the_program_takes_and_outlive_an_uninstall() -> None:
    secret = render().one("Secret")
    data = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    assert is_secret(data["admin-key"])
    given = {"OSSATURE_SECRET": data["cluster-secret"], "OSSATURE_IDENTITY__ADMIN_KEY": data["admin-key"]}
    config = load_text(render().config_text(), given)
    assert config.secret is not None
    assert config.identity.admin_key is not None
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_secret_that_is_named_is_used_and_none_is_made() -> None:
    rendered = render(secrets__existing="mine")
    assert rendered.of("Secret") == []
    assert rendered.environment("head")["OSSATURE_SECRET"]["valueFrom"]["secretKeyRef"]["name"] == "mine"


def test_nodes_of_a_standalone_cluster_know_each_other_by_a_token() -> None:
    rendered = render(mode="standalone")
    for pod in rendered.pods():
        variables = rendered.environment(pod)
        assert variables["RAY_AUTH_MODE"]["value"] == "token"
        assert variables["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": f"{NAME}-secrets", "key": "ray-token"}
    assert render().one("RayService")["spec"]["rayClusterConfig"]["authOptions"] == {"mode": "token"}


def test_the_hub_token_goes_where_weights_are_downloaded() -> None:
    rendered = render(huggingFace__tokenSecret={"name": "hub", "key": "token"})
    assert {pod for pod in rendered.pods() if "HF_TOKEN" in rendered.environment(pod)} == {"engine-acme-model-1-5"}


def test_offline_clusters_say_so_to_every_pod() -> None:
    rendered = render(huggingFace__offline=True)
    assert all(rendered.environment(pod)["HF_HUB_OFFLINE"]["value"] == "1" for pod in rendered.pods())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"config": {"secret": "x" * 32}}, "secret"),
        ({"config": {"database": {"url": "postgresql+asyncpg://u:p@h/d"}}}, "url"),
        ({"config": {"identity": {"admin_key": "sk-admin-" + "a" * 48}}}, "admin_key"),
    ],
)
def test_secrets_are_refused_as_values(settings: dict[str, object], named: str) -> None:
    assert f"Additional property {named} is not allowed" in refusal(**settings)
