"""What pods keep and share: files, tuned models, adapters; and the pods of jobs and of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.config.loading import load_text
from cluster.config.schema import ClusterConfig
from cluster.tuned.places import TunedPlaces
from tests.chart import MODEL, MODES, NAME, Manifest, Rendered, render

ENGINE = "engine-acme-model-1-5"
TUNABLE = MODEL | {"adapters": {"enabled": True}}
TUNING: dict[str, Any] = {"config__tuning": {"enabled": True}, "models": [TUNABLE]}
BUCKET = {
    "kind": "s3",
    "s3": {
        "url": "s3://bucket/prefix/",
        "endpoint": "https://minio.test:9000",
        "region": "here",
        "credentialsSecret": {"name": "bucket"},
    },
}
OPEN: dict[str, Any] = {"networkPolicy__objectStore": {"ports": [9000]}}
SECRETS = {"OSSATURE_SECRET": "s" * 64, "OSSATURE_DATABASE__URL": "postgresql+asyncpg://user:password@host/name"}


def configuration(rendered: Rendered) -> ClusterConfig:
    return load_text(rendered.config_text(), SECRETS)


def mounts(rendered: Rendered, pod: str) -> dict[str, Manifest]:
    """By path: the mount, with its volume."""
    volumes = {volume["name"]: volume for volume in rendered.pods()[pod]["spec"]["volumes"]}
    return {each["mountPath"]: each | {"volume": volumes[each["name"]]} for each in rendered.container(pod)["volumeMounts"]}


def holder(rendered: Rendered, pod: str, path: str | Path) -> Manifest | None:
    """The mount of a pod that a path is on."""
    found = [(len(at), each) for at, each in mounts(rendered, pod).items() if Path(path).is_relative_to(at)]
    return max(found, key=lambda pair: pair[0])[1] if found else None


@pytest.mark.parametrize("mode", MODES)
def test_gateways_jobs_and_engines_see_the_same_files(mode: str) -> None:
    rendered = render(mode=mode, **TUNING)
    config = configuration(rendered)
    tuned = TunedPlaces.of(config)
    assert config.tuning.work_dir is not None
    wanted = {
        str(config.files.storage_url): ("ingress", "jobs"),
        str(tuned.storage_url): ("ingress", "jobs", ENGINE),
        str(config.tuning.work_dir): ("jobs", "tuning"),
    }
    for path, pods in wanted.items():
        for pod in pods:
            mount = holder(rendered, pod, path)
            assert mount is not None, (path, pod)
            assert mount["volume"]["persistentVolumeClaim"] == {"claimName": f"{NAME}-storage"}
            assert mount.get("readOnly", False) is (pod == ENGINE)
    claim = rendered.one("PersistentVolumeClaim", f"{NAME}-storage")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert tuned.storage_url != config.files.storage_url


def test_who_shares_nothing_has_no_shared_volume() -> None:
    rendered = render()
    assert {pod for pod in rendered.pods() if "/srv/ossature" in mounts(rendered, pod)} == {"head", "ingress", "jobs"}


def test_a_claim_that_is_named_is_used() -> None:
    rendered = render(storage__volume__claimName="mine")
    assert rendered.of("PersistentVolumeClaim") == []
    assert mounts(rendered, "ingress")["/srv/ossature"]["volume"]["persistentVolumeClaim"] == {"claimName": "mine"}


@pytest.mark.parametrize("mode", MODES)
def test_a_bucket_takes_the_volumes_place(mode: str) -> None:
    rendered = render(mode=mode, storage=BUCKET, models=[TUNABLE], **OPEN)
    config = configuration(rendered)
    assert (config.files.storage_url, config.tuned_models.storage_url) == (
        "s3://bucket/prefix/files",
        "s3://bucket/prefix/tuned-models",
    )
    assert rendered.of("PersistentVolumeClaim") == []
    holders = {pod for pod in rendered.pods() if "AWS_SECRET_ACCESS_KEY" in rendered.environment(pod)}
    assert holders == {"ingress", "jobs", ENGINE}
    environment = rendered.environment("ingress")
    assert environment["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "bucket", "key": "secret-access-key"}
    assert environment["AWS_ACCESS_KEY_ID"]["valueFrom"]["secretKeyRef"] == {"name": "bucket", "key": "access-key-id"}
    assert environment["AWS_ENDPOINT_URL"]["value"] == "https://minio.test:9000"
    assert environment["AWS_DEFAULT_REGION"]["value"] == "here"


def test_engines_without_adapters_are_not_told_the_buckets_keys() -> None:
    rendered = render(storage=BUCKET, **OPEN)
    assert "AWS_SECRET_ACCESS_KEY" not in rendered.environment(ENGINE)


def test_training_beside_a_bucket_has_a_volume_of_its_own() -> None:
    rendered = render(storage=BUCKET, **OPEN, **TUNING)
    work_dir = configuration(rendered).tuning.work_dir
    assert work_dir is not None
    for pod in ("jobs", "tuning"):
        mount = holder(rendered, pod, work_dir)
        assert mount is not None
        assert "persistentVolumeClaim" in mount["volume"]
    assert "/srv/ossature" not in mounts(rendered, ENGINE)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        ({"kind": "emptyDir"}, {"emptyDir": {}}),
        ({"kind": "emptyDir", "sizeLimit": "40Gi"}, {"emptyDir": {"sizeLimit": "40Gi"}}),
        ({"kind": "hostPath", "hostPath": "/adapters"}, {"hostPath": {"path": "/adapters", "type": "Directory"}}),
    ],
)
def test_engines_keep_adapters_on_a_volume_of_their_node(cache: dict[str, str], volume: dict[str, object], mode: str) -> None:
    rendered = render(mode=mode, models=[TUNABLE], adapterCache=cache)
    mount = holder(rendered, ENGINE, TunedPlaces.of(configuration(rendered)).cache_folder)
    assert mount is not None
    assert mount["volume"] == {"name": "adapters"} | volume
    assert not mount.get("readOnly")
    assert "/var/cache/ossature-adapters" not in mounts(render(mode=mode), ENGINE), "no model takes adapters"


def test_a_single_pod_keeps_everything_in_its_data_folder() -> None:
    rendered = render("values-one-gpu.yaml", models=[TUNABLE], config__tuning={"enabled": True})
    config = configuration(rendered)
    assert (config.files.storage_url, config.tuned_models.storage_url, config.tuning.work_dir) == (None, None, None)
    mount = holder(rendered, "head", config.data_dir)
    assert mount is not None
    assert mount["volume"]["persistentVolumeClaim"] == {"claimName": f"{NAME}-data"}
    assert "/var/cache/ossature-adapters" in mounts(rendered, "head")
    assert set(rendered.pods()) == {"head"}


# --- Jobs and training ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_jobs_run_in_pods_of_their_own(mode: str) -> None:
    rendered = render(mode=mode)
    config = configuration(rendered)
    assert config.jobs.resources.keys() == {"ossature_jobs"}
    assert {pod for pod in rendered.pods() if "ossature_jobs" in offer(rendered, pod)} == {"jobs"}


@pytest.mark.parametrize("mode", MODES)
def test_training_has_pods_with_gpus_that_no_engine_takes(mode: str) -> None:
    rendered = render(mode=mode, tuningPods={"gpusPerPod": 4, "count": 2, "nodeSelector": {"gpu": "a100"}}, **TUNING)
    config = configuration(rendered)
    assert config.tuning.resources.keys() == {"ossature_tuning"}
    assert {pod for pod in rendered.pods() if "ossature_tuning" in offer(rendered, pod)} == {"tuning"}
    assert rendered.container("tuning")["resources"]["limits"]["nvidia.com/gpu"] == 4
    assert rendered.pods()["tuning"]["spec"]["nodeSelector"] == {"gpu": "a100"}
    engine = config.models[0].placement.resources_per_worker
    assert not engine.keys() & offer(rendered, "tuning").keys()


def offer(rendered: Rendered, pod: str) -> dict[str, Any]:
    """Custom resources that pods of this kind tell Ray of."""
    import json
    import re

    if rendered.of("RayService"):
        cluster = rendered.one("RayService")["spec"]["rayClusterConfig"]
        named = {"head": cluster["headGroupSpec"]} | {each["groupName"]: each for each in cluster["workerGroupSpecs"]}
        text = named[pod]["rayStartParams"].get("resources", "")
    else:
        (command,) = rendered.container(pod)["args"]
        text = "".join(re.findall(r"--resources=('[^']*')", command))
    return dict(json.loads(text.strip("'"))) if text else {}


def test_those_who_read_a_models_recipe_see_its_weights() -> None:
    weights = {"kind": "pvc", "claimName": "weights"}
    rendered = render(modelCache=weights, **TUNING)
    for pod in ("head", "ingress", "jobs", "tuning", ENGINE):
        assert mounts(rendered, pod)["/var/cache/ossature"]["volume"] == {
            "name": "models",
            "persistentVolumeClaim": {"claimName": "weights"},
        }, pod
    without = render(modelCache=weights)
    assert "emptyDir" in mounts(without, "jobs")["/var/cache/ossature"]["volume"]


@pytest.mark.parametrize("weights", [{"kind": "pvc", "claimName": "weights"}, {"kind": "hostPath", "hostPath": "/weights"}])
def test_the_head_needs_the_weights_only_where_a_model_is_a_folder_among_them(weights: dict[str, str]) -> None:
    """Its node may have no GPU, and none of their folders."""
    assert "emptyDir" in mounts(render(modelCache=weights), "head")["/var/cache/ossature"]["volume"]
    folder = MODEL | {"source": "/var/cache/ossature/qwen3-8b"}
    assert "emptyDir" not in mounts(render(modelCache=weights, models=[folder]), "head")["/var/cache/ossature"]["volume"]


def test_nothing_is_made_for_training_where_nothing_is_trained() -> None:
    assert "tuning" not in render().pods()
    assert "tuning" not in render(config__tuning={"enabled": True, "launcher": "process"}, models=[TUNABLE]).pods()


def test_idle_training_pods_may_be_taken_away_by_rays_autoscaler() -> None:
    cluster = render(autoscaling__enabled=True, **TUNING).one("RayService")["spec"]["rayClusterConfig"]
    (tuning,) = [each for each in cluster["workerGroupSpecs"] if each["groupName"] == "tuning"]
    assert (tuning["minReplicas"], tuning["maxReplicas"]) == (0, 1)


def test_a_standalone_upgrade_of_training_pods_asks_for_no_further_gpu() -> None:
    spec = render(mode="standalone", **TUNING).one("Deployment", f"{NAME}-tuning")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
