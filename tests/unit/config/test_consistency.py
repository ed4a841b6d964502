"""Settings that contradict each other are refused, with the path of the one to change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from cluster.config import consistency
from cluster.config.loading import ConfigError, load
from cluster.config.managed_arguments import MANAGED
from cluster.config.schema import ClusterConfig


def refused(tmp_path: Path, *, model: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, str]:
    """Path to message of everything that is refused."""
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({"models": [{"id": "m", "source": "s", **(model or {})}], **sections}))
    try:
        load(path, {})
    except ConfigError as error:
        return {problem.path: str(problem) for problem in error.problems}
    return {}


def engine(tmp_path: Path, **arguments: Any) -> dict[str, str]:
    return refused(tmp_path, model={"engine": arguments})


@pytest.mark.parametrize("name", sorted(MANAGED))
def test_an_argument_that_the_cluster_manages_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    found = engine(tmp_path, **{name: 1})
    assert MANAGED[name] in found[f"models.0.engine.{name}"]


def test_a_managed_argument_is_recognized_as_a_command_line_flag_too(tmp_path: Path) -> None:
    assert "is managed by the cluster" in engine(tmp_path, **{"--served-model-name": "x"})["models.0.engine.--served-model-name"]


def test_an_argument_with_dashes_gets_its_name(tmp_path: Path) -> None:
    assert "did you mean `max_model_len`?" in engine(tmp_path, **{"max-model-len": 1})["models.0.engine.max-model-len"]


@pytest.mark.parametrize("value", [False, 0, "false"])
def test_prefix_caching_can_not_be_switched_off(tmp_path: Path, value: object) -> None:
    assert list(engine(tmp_path, enable_prefix_caching=value)) == ["models.0.engine.enable_prefix_caching"]


@pytest.mark.parametrize("value", [True, None])
def test_prefix_caching_may_be_named(tmp_path: Path, value: object) -> None:
    assert engine(tmp_path, enable_prefix_caching=value) == {}


@pytest.mark.parametrize("value", ["xxhash", "xxhash_cbor", "builtin"])
def test_a_hash_in_which_collisions_can_be_made_is_refused(tmp_path: Path, value: str) -> None:
    assert "sha256" in engine(tmp_path, prefix_caching_hash_algo=value)["models.0.engine.prefix_caching_hash_algo"]


@pytest.mark.parametrize("value", [{"kv_connector": "NixlConnector", "kv_role": "kv_both"}, {}, "NixlConnector"])
def test_a_kv_connector_that_is_not_tested_is_refused(tmp_path: Path, value: object) -> None:
    assert "must carry the cache salt" in engine(tmp_path, kv_transfer_config=value)["models.0.engine.kv_transfer_config"]


def test_a_tested_kv_connector_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency, "TESTED_KV_CONNECTORS", frozenset({"Salted"}))
    assert engine(tmp_path, kv_transfer_config={"kv_connector": "Salted"}) == {}


@pytest.mark.parametrize("name", consistency.PARALLEL_SIZES)
@pytest.mark.parametrize("value", [0, -1, 1.5, "two", True, None])
def test_a_parallel_size_is_a_positive_whole_number(tmp_path: Path, name: str, value: object) -> None:
    assert f"models.0.engine.{name}" in engine(tmp_path, **{name: value})


def test_data_parallelism_is_pointed_to_replicas(tmp_path: Path) -> None:
    assert "set `replicas` instead" in engine(tmp_path, data_parallel_size=2)["models.0.engine.data_parallel_size"]


def test_retention_is_a_multiple_of_the_block(tmp_path: Path) -> None:
    assert "multiple of block_size (128)" in next(
        iter(engine(tmp_path, block_size=128, prefix_cache_retention_interval=200).values())
    )
    assert engine(tmp_path, block_size=128, prefix_cache_retention_interval=256) == {}


def test_a_step_holds_a_token_of_every_sequence(tmp_path: Path) -> None:
    assert "models.0.engine.max_num_batched_tokens" in engine(tmp_path, max_num_batched_tokens=8, max_num_seqs=16)


def test_one_process_holds_one_worker(tmp_path: Path) -> None:
    assert "2 workers" in next(iter(engine(tmp_path, tensor_parallel_size=2, distributed_executor_backend="uni").values()))
    assert engine(tmp_path, distributed_executor_backend="uni") == {}


@pytest.mark.parametrize("strategy", ["PACK", "SPREAD", "STRICT_SPREAD"])
def test_workers_of_one_machine_are_not_spread(tmp_path: Path, strategy: str) -> None:
    model = {"engine": {"tensor_parallel_size": 2, "distributed_executor_backend": "mp"}, "placement": {"strategy": strategy}}
    assert list(refused(tmp_path, model=model, ray={"address": "auto"})) == ["models.0.placement.strategy"]


def test_a_ray_of_one_machine_can_not_spread_strictly(tmp_path: Path) -> None:
    model = {"engine": {"tensor_parallel_size": 2}, "placement": {"strategy": "STRICT_SPREAD"}}
    assert "a machine of its own" in refused(tmp_path, model=model)["models.0.placement.strategy"]
    assert refused(tmp_path, model=model, ray={"address": "auto"}) == {}


def test_a_worker_takes_no_more_memory_than_its_share_of_the_gpu(tmp_path: Path) -> None:
    half = {"placement": {"gpus_per_worker": 0.5}}
    assert "models.0.engine.gpu_memory_utilization" in refused(tmp_path, model=half)
    assert refused(tmp_path, model={**half, "engine": {"gpu_memory_utilization": 0.45}}) == {}
    assert refused(tmp_path, model={**half, "engine": {"kv_cache_memory_bytes": 1 << 30}}) == {}


def test_a_worker_drives_one_gpu(tmp_path: Path) -> None:
    assert "0 to 1" in refused(tmp_path, model={"placement": {"gpus_per_worker": 2}})["models.0.placement.gpus_per_worker"]


def test_a_number_of_replicas_and_limits_of_one_exclude_each_other(tmp_path: Path) -> None:
    found = refused(tmp_path, model={"replicas": 2, "autoscaling": {"max_replicas": 4}})
    assert "autoscaling decides" in found["models.0.replicas"]


def test_limits_of_replicas_are_in_order_and_can_be_reached(tmp_path: Path) -> None:
    found = refused(tmp_path, model={"autoscaling": {"min_replicas": 3, "max_replicas": 2}})
    assert list(found) == ["models.0.autoscaling.max_replicas"]
    found = refused(tmp_path, model={"max_ongoing_requests": 8, "autoscaling": {"max_replicas": 2, "target_ongoing_requests": 9}})
    assert list(found) == ["models.0.autoscaling.target_ongoing_requests"]
    assert refused(tmp_path, model={"autoscaling": {"min_replicas": 2, "max_replicas": 2}}) == {}


def test_model_ids_differ(tmp_path: Path) -> None:
    models = [{"id": "m", "source": "a"}, {"id": "n", "source": "a"}, {"id": "m", "source": "b"}]
    found = refused(tmp_path, models=models)
    assert list(found) == ["models.2.id"]
    assert "models.0" in found["models.2.id"]


def test_ports_differ(tmp_path: Path) -> None:
    found = refused(tmp_path, http={"port": 1}, grpc={"port": 1}, metrics={"port": 1})
    assert set(found) == {"metrics.port", "grpc.port"}
    assert refused(tmp_path, http={"port": 1}, grpc={"port": 1, "enabled": False}) == {}


def test_what_http_accepts_fits_the_relay(tmp_path: Path) -> None:
    assert "relay.max_request_bytes" in refused(tmp_path, http={"max_body_bytes": 1 << 30})


def test_a_precise_index_needs_channels_and_a_policy_that_asks_it(tmp_path: Path) -> None:
    precise = {"index": "precise"}
    assert refused(tmp_path, routing=precise) == {}
    assert set(refused(tmp_path, routing=precise, relay={"implementation": "handle"})) == {"routing.index"}
    assert set(refused(tmp_path, routing=precise | {"policy": "random"})) == {"routing.index"}


def test_a_running_ray_has_its_resources_already(tmp_path: Path) -> None:
    assert set(refused(tmp_path, ray={"address": "auto", "num_cpus": 2})) == {"ray.num_cpus"}


def test_reservations_fit_the_ray_that_is_started(tmp_path: Path) -> None:
    found = refused(tmp_path, model={"replicas": 2, "engine": {"tensor_parallel_size": 2}}, ray={"num_cpus": 2})
    assert "reserve 4.2 logical CPUs" in found["ray.num_cpus"]
    assert refused(tmp_path, model={"replicas": 2}, ray={"num_cpus": 2.2}) == {}
    assert refused(tmp_path, model={"replicas": 2}, ray={"num_cpus": 2.1}, speech={"enabled": False}) == {}


def test_the_default_model_of_sessions_is_one_of_the_models(tmp_path: Path) -> None:
    assert "is none of the models" in refused(tmp_path, realtime={"default_model": "n"})["realtime.default_model"]
    assert refused(tmp_path, realtime={"default_model": "m"}) == {}


def test_the_long_retention_is_not_the_shorter_one(tmp_path: Path) -> None:
    assert "prompt_cache.extended_period_s" in refused(tmp_path, prompt_cache={"in_memory_period_s": 10, "extended_period_s": 5})


@pytest.mark.parametrize(
    "url", ["postgres://h/d", "sqlite:///x", "postgresql+asyncpg", "sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"]
)
def test_a_database_that_gateways_can_not_share_or_reach_is_refused(tmp_path: Path, url: str) -> None:
    assert list(refused(tmp_path, database={"url": url})) == ["database.url"]


@pytest.mark.parametrize("url", ["postgresql+asyncpg://u:p@h:5432/d", "sqlite+aiosqlite:///data/o.db"])
def test_both_databases_are_allowed(tmp_path: Path, url: str) -> None:
    assert refused(tmp_path, database={"url": url}) == {}


def test_adapters_that_run_must_be_loaded(tmp_path: Path) -> None:
    model = {"id": "m", "source": "s", "adapters": {"enabled": True, "max_running": 8, "max_loaded": 4}}
    assert list(refused(tmp_path, models=[model])) == ["models.0.adapters.max_loaded"]


def test_what_adapters_set_can_not_be_set_beside_them(tmp_path: Path) -> None:
    engine = {"enable_lora": True, "max_loras": 2}
    model = {"id": "m", "source": "s", "engine": engine}
    assert refused(tmp_path, models=[model]) == {}
    told = refused(tmp_path, models=[model | {"adapters": {"enabled": True}}])
    assert sorted(told) == ["models.0.engine.enable_lora", "models.0.engine.max_loras"]


def test_tuned_models_and_files_have_places_of_their_own(tmp_path: Path) -> None:
    told = refused(tmp_path, files={"storage_url": "s3://bucket/x"}, tuned_models={"storage_url": "s3://bucket/x"})
    assert list(told) == ["tuned_models.storage_url"]


def test_a_configuration_made_in_code_gets_the_same_checks() -> None:
    with pytest.raises(ValidationError, match="is the id of"):
        ClusterConfig.model_validate({"models": [{"id": "m", "source": "s"}] * 2})


@pytest.mark.parametrize(
    ("sizes", "workers"),
    [({}, 1), ({"tensor_parallel_size": 8, "pipeline_parallel_size": 2}, 16), ({"prefill_context_parallel_size": 2}, 2)],
)
def test_workers_are_the_product_of_the_parallel_sizes(sizes: dict[str, int], workers: int) -> None:
    config = ClusterConfig.model_validate({"models": [{"id": "m", "source": "s", "engine": sizes}]})
    assert config.models[0].world_size == workers
