"""Room for tuned models with engines of their own, and how a release comes to serve them."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.runtime.rayservice import Arguments
from tests.chart import refusal, render

BASE: dict[str, Any] = {"id": "base", "source": "s", "placement": {"gpus_per_worker": 1}, "engine": {"tensor_parallel_size": 2}}
WITH_ROOM = BASE | {"pods": {"mergedModels": 2}}
MERGED = {"config": {"tuned_models": {"max_merged_models": 2}}}


def test_merged_models_have_pods_like_those_of_their_base() -> None:
    rendered = render(models=[WITH_ROOM | {"replicas": 3}], **MERGED)
    [group] = [
        group
        for group in rendered.one("RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        if "engine" in group["groupName"]
    ]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (5, 5, 5)
    numbers = {each["name"]: each["num_replicas"] for each in rendered.serve_config()["applications"][0]["deployments"]}
    assert numbers["engine:base"] == 3
    mounts = {mount["mountPath"] for mount in rendered.container("engine-base")["volumeMounts"]}
    assert {"/var/cache/ossature-adapters", "/srv/ossature"} <= mounts


@pytest.mark.parametrize("values", [{"models": [WITH_ROOM]}, {"models": [BASE | {"pods": {}}], **MERGED}])
def test_room_and_bound_must_agree(values: dict[str, Any]) -> None:
    assert "must be the sum of models[].pods.mergedModels" in refusal(**values)


def test_jobs_may_train_what_has_room_without_adapters() -> None:
    tuning = {"tuning": {"enabled": True, "launcher": "process"}}
    render(models=[WITH_ROOM], config=MERGED["config"] | tuning)
    assert "none pods.mergedModels" in refusal(models=[BASE | {"pods": {}}], config=tuning)


def test_a_rollout_has_the_application_built_anew() -> None:
    before, after = (render(rollout=text).serve_config()["applications"][0]["args"] for text in ("", "1"))
    assert Arguments.model_validate(before).rollout == ""
    assert Arguments.model_validate(after).rollout == "1"
    assert before["config"] == after["config"]
    one, other = (render(mode="standalone", rollout=text).pods()["head"] for text in ("", "1"))
    assert one != other
