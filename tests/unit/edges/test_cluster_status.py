"""What the admin API tells of the models' replicas."""

from __future__ import annotations

from pathlib import Path

from cluster.config.schema import ClusterConfig
from cluster.edges.cluster_status import ClusterStatus
from cluster.edges.readiness import ModelReadiness
from cluster.identity.principal import Principal
from cluster.relay.replicas import ReplicaView

ADMIN = Principal(org_id="", project_id="", key_id="key_admin", admin=True)


async def test_models_are_told_with_the_replicas_that_are_there_and_those_that_are_wanted(tmp_path: Path) -> None:
    scaled = {"id": "scaled", "source": "org/model", "autoscaling": {"min_replicas": 2, "max_replicas": 8}}
    fixed = {"id": "fixed", "source": "org/model", "replicas": 3, "organization": "acme"}
    config = ClusterConfig.model_validate({"data_dir": tmp_path, "models": [scaled, fixed]})
    view = ReplicaView()
    readiness = ModelReadiness({"scaled": "engine:scaled", "fixed": "engine:fixed"}, view, lambda name, count: None)
    view.publish("engine:scaled", ["b", "a"])
    told = await ClusterStatus(config, readiness, "g-1", None).report(ADMIN)
    assert told["ready"] is False
    assert told["models"] == [
        {"id": "scaled", "replicas_wanted": 2, "replicas_max": 8, "replicas": ["a", "b"], "organization": None},
        {"id": "fixed", "replicas_wanted": 3, "replicas_max": 3, "replicas": [], "organization": "acme"},
    ]
