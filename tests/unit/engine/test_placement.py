"""What a replica reserves, for the ready configurations and the shapes between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.config.settings.models import ModelSettings
from cluster.engine.placement import Placement, place

CONFIGS = Path(__file__).parents[3] / "configs"


def model(placement: dict[str, Any] | None = None, **engine: Any) -> ModelSettings:
    return ModelSettings.model_validate({"id": "m", "source": "org/m", "placement": placement or {}, "engine": engine})


def ready(name: str) -> ModelSettings:
    settings = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    return ModelSettings.model_validate(settings["models"][0])


READY = {
    "demo": ("uni", [{"CPU": 0.5}], "STRICT_PACK"),
    "gpt-oss-20b-1x24gb": ("uni", [{"CPU": 2.0, "GPU": 1.0}], "STRICT_PACK"),
    "gpt-oss-20b-voice-1x48gb": ("uni", [{"CPU": 2.0, "GPU": 0.75}], "STRICT_PACK"),
    "gpt-oss-120b-1x80gb": ("uni", [{"CPU": 4.0, "GPU": 1.0}], "STRICT_PACK"),
    "gpt-oss-120b-tp2": ("mp", [{"CPU": 4.0, "GPU": 2.0}], "STRICT_PACK"),
    "gpt-oss-120b-tp4": ("mp", [{"CPU": 8.0, "GPU": 4.0}], "STRICT_PACK"),
    "gpt-oss-120b-tp8": ("mp", [{"CPU": 16.0, "GPU": 8.0}], "STRICT_PACK"),
    "gpt-oss-120b-2nodes": ("ray", [{"CPU": 2.1, "GPU": 1.0}] + [{"CPU": 2.0, "GPU": 1.0}] * 15, "PACK"),
}


@pytest.mark.parametrize("name", READY)
def test_ready_configurations_reserve_what_their_workers_need(name: str) -> None:
    placed = place(ready(name))
    assert (placed.executor, placed.bundles, placed.strategy) == READY[name]


def test_every_ready_configuration_is_in_the_table() -> None:
    assert set(READY) | {"bench"} == {path.stem for path in CONFIGS.glob("*.yaml")}


def test_the_actor_of_a_single_node_replica_holds_all_of_its_bundle() -> None:
    placed = place(model({"gpus_per_worker": 1, "cpus_per_worker": 2, "resources_per_worker": {"fast": 1}}, tensor_parallel_size=4))
    assert placed == Placement([{"CPU": 8.0, "GPU": 4.0, "fast": 4.0}], "STRICT_PACK", 8.0, 4.0, {"fast": 4.0}, "mp")


def test_the_actor_of_a_replica_over_nodes_leaves_the_gpu_to_its_worker() -> None:
    placed = place(model({"gpus_per_worker": 1, "strategy": "PACK"}, tensor_parallel_size=2, pipeline_parallel_size=2))
    assert placed.num_gpus == 0
    assert placed.num_cpus <= placed.bundles[0]["CPU"] - 1, "its worker's CPU is not the actor's to take"
    assert [bundle["GPU"] for bundle in placed.bundles] == [1] * 4


def test_a_single_worker_needs_no_ray_even_where_nodes_may_be_spanned() -> None:
    assert place(model({"strategy": "PACK"})).executor == "uni"


def test_ray_can_be_asked_for_on_one_node() -> None:
    placed = place(model({"gpus_per_worker": 1}, tensor_parallel_size=2, distributed_executor_backend="ray"))
    assert len(placed.bundles) == 2


def test_nothing_reserved_means_no_bundle() -> None:
    assert place(model({"cpus_per_worker": 0})).bundles == []


def test_part_of_a_gpu_is_part_of_a_bundle() -> None:
    assert place(model({"gpus_per_worker": 0.5}, gpu_memory_utilization=0.4)).num_gpus == 0.5
