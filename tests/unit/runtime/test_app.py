"""What Ray Serve is told about each deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster import app
from cluster.config.schema import ClusterConfig
from cluster.job_handlers import JobTools
from cluster.jobs.handler import JobHandler


def no_handler(tools: JobTools) -> JobHandler:
    raise AssertionError("handlers are made in the deployment alone")


def deployments(tmp_path: Path, model: dict[str, Any] | None = None, handlers: bool = True, **sections: Any) -> dict[str, Any]:
    """Deployments of the application by name."""
    config = ClusterConfig.model_validate(
        {"secret": "s" * 32, "data_dir": tmp_path, "models": [{"id": "m", "source": "s", **(model or {})}], **sections}
    )
    gateway = app.build(config, job_handlers={"eval": no_handler} if handlers else {})
    _, engines, _, *others = gateway._bound_deployment.init_args
    found = [gateway, *engines.values(), *(each for each in others if each is not None)]
    return {each._bound_deployment.name: each._bound_deployment for each in found}


def test_a_model_has_the_replicas_that_it_is_given(tmp_path: Path) -> None:
    engine = deployments(tmp_path, {"replicas": 3})["engine:m"]
    assert engine.num_replicas == 3
    assert engine._deployment_config.autoscaling_config is None


def test_a_successor_comes_first_only_where_there_is_room_for_it(tmp_path: Path) -> None:
    def surge(bound: dict[str, Any], name: str) -> int:
        return int(bound[name]._deployment_config.max_surge_percent)

    as_given = deployments(tmp_path)
    assert (surge(as_given, "gateway"), surge(as_given, "engine:m")) == (1, 0)
    assert surge(deployments(tmp_path, {"upgrade": "surge"}), "engine:m") == 1
    assert surge(deployments(tmp_path, gateway={"resources": {"ingress": 1}}), "gateway") == 0, "its node has no room for two"


def test_a_model_with_limits_is_scaled_by_ray_serve(tmp_path: Path) -> None:
    limits = {"min_replicas": 2, "max_replicas": 5, "target_ongoing_requests": 20, "upscale_delay_s": 1, "downscale_delay_s": 2}
    scaling = deployments(tmp_path, {"autoscaling": limits})["engine:m"]._deployment_config.autoscaling_config
    assert {name: getattr(scaling, name) for name in limits} == limits
    assert scaling.policy.policy_function == "cluster.runtime.served_scaling:EngineScaling"


@pytest.mark.parametrize("name", ["gateway", "speech", "jobs"])
def test_resources_bind_a_deployment_to_nodes_that_offer_them(tmp_path: Path, name: str) -> None:
    bound = deployments(tmp_path, **{name: {"resources": {"mine": 1}}})
    assert {each for each, deployment in bound.items() if "mine" in deployment.ray_actor_options.get("resources", {})} == {name}


def test_gateways_are_not_told_the_admin_key(tmp_path: Path) -> None:
    bound = deployments(tmp_path, identity={"admin_key": "sk-admin-" + "a" * 48})
    assert bound["gateway"].init_args[0].identity.admin_key is None
    assert bound["jobs"].init_args[0].identity.admin_key is None


def test_there_is_a_worker_only_where_there_is_something_to_do(tmp_path: Path) -> None:
    assert "jobs" not in deployments(tmp_path, handlers=False)


def test_a_worker_asks_the_same_engines_and_has_time_to_give_its_leases_back(tmp_path: Path) -> None:
    bound = deployments(tmp_path, jobs={"stop_grace_s": 60})
    assert bound["jobs"].init_args[1] == bound["gateway"].init_args[1]
    assert bound["jobs"]._deployment_config.graceful_shutdown_timeout_s > 60
