"""The ready-made files, as far as they can be checked without the hardware they are for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.config.loading import built_in_recipe, load
from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import ModelSettings

CONFIGS = Path(__file__).parents[3] / "configs"
FILES = sorted(CONFIGS.glob("*.yaml"))
GIB = 1 << 30

SIXTEEN_GB = {
    "OSSATURE_MODELS__0__ENGINE__GPU_MEMORY_UTILIZATION": "0.95",
    "OSSATURE_MODELS__0__ENGINE__MAX_MODEL_LEN": "16384",
    "OSSATURE_MODELS__0__ENGINE__MAX_NUM_SEQS": "8",
    "OSSATURE_MODELS__0__ENGINE__MAX_NUM_BATCHED_TOKENS": "1024",
    "OSSATURE_MODELS__0__ENGINE__ENFORCE_EAGER": "true",
}


@dataclass(frozen=True)
class GptOss:
    """Sizes of the published models: hidden size 2880, 64 heads and 8 KV heads of 64, vocabulary 201,088, every second layer looks
    at a window only."""

    layers: int
    experts: int

    @property
    def weight_bytes(self) -> float:
        """Experts in MXFP4 (4 bits and an 8-bit scale for 32 values), everything else in bfloat16."""
        experts = self.layers * self.experts * 3 * 2880 * 2880 * 4.25 / 8
        attention = self.layers * 2880 * (2 * 64 * 64 + 2 * 8 * 64)
        embeddings = 2 * 201_088 * 2880
        return experts + 2 * (attention + embeddings)

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values in bfloat16 of the layers that look at everything."""
        return self.layers // 2 * 2 * 8 * 64 * 2


LARGE = GptOss(layers=36, experts=128)
SMALL = GptOss(layers=24, experts=32)

ON_GPU = [
    # file, model, GiB that a GPU shows, GiB besides weights and KV cache, further settings
    ("gpt-oss-120b-1x80gb.yaml", LARGE, 79.6, 3, {}),
    ("gpt-oss-120b-tp2.yaml", LARGE, 79.6, 4, {}),
    ("gpt-oss-120b-tp4.yaml", LARGE, 79.6, 4, {}),
    ("gpt-oss-120b-tp8.yaml", LARGE, 79.6, 4, {}),
    ("gpt-oss-120b-2nodes.yaml", LARGE, 79.6, 4, {}),
    ("gpt-oss-20b-1x24gb.yaml", SMALL, 23.5, 2, {}),
    ("gpt-oss-20b-1x24gb.yaml", SMALL, 15.5, 1, SIXTEEN_GB),
]


def read(name: str, env: dict[str, str] | None = None) -> ClusterConfig:
    return load(CONFIGS / name, env or {})


def models() -> list[ModelSettings]:
    return [model for path in FILES for model in load(path, {}).models]


def test_the_published_sizes_come_out() -> None:
    assert LARGE.weight_bytes / GIB == pytest.approx(60.7, abs=0.1)
    assert SMALL.weight_bytes / GIB == pytest.approx(12.8, abs=0.1)
    assert (LARGE.kv_bytes_per_token, SMALL.kv_bytes_per_token) == (36 * 1024, 24 * 1024)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_loads(path: Path) -> None:
    assert load(path, {}).models


def test_the_demo_that_is_installed_is_the_one_in_the_repository() -> None:
    assert (CONFIGS / "demo.yaml").read_text() == built_in_recipe()


@pytest.mark.parametrize("model", [m for m in models() if "gpt-oss" in m.id], ids=lambda model: model.id)
def test_gpt_oss_caches_shared_prefixes_and_parses_harmony(model: ModelSettings) -> None:
    assert model.engine["prefix_cache_retention_interval"] == 256
    assert model.engine["tool_call_parser"] == "openai"
    assert model.engine["reasoning_parser"] == "openai_gptoss"
    assert model.engine["enable_auto_tool_choice"] is True


@pytest.mark.parametrize("model", models(), ids=lambda model: model.id)
def test_the_engine_is_given_a_queue_to_order(model: ModelSettings) -> None:
    assert model.max_ongoing_requests >= 2 * model.engine["max_num_seqs"]


@pytest.mark.parametrize(("name", "sizes", "gpu_gib", "other_gib", "env"), ON_GPU)
def test_weights_and_a_longest_sequence_fit_each_gpu(
    name: str, sizes: GptOss, gpu_gib: float, other_gib: float, env: dict[str, str]
) -> None:
    (model,) = read(name, env).models
    tensor, workers = model.engine.get("tensor_parallel_size", 1), model.world_size
    cache_gib = model.engine["gpu_memory_utilization"] * gpu_gib - other_gib - sizes.weight_bytes / GIB / workers
    longest_gib = model.engine["max_model_len"] * sizes.kv_bytes_per_token / GIB / workers
    assert cache_gib > longest_gib
    # Room for as many sequences as may run, at 1,000 tokens each.
    assert cache_gib * GIB / (sizes.kv_bytes_per_token / workers) >= model.engine["max_num_seqs"] * 1000
    assert 8 % tensor == 0, "each GPU holds at least one of the 8 KV heads"
    assert model.placement.gpus_per_worker == 1


@pytest.mark.parametrize(
    ("name", "workers"), [("gpt-oss-120b-tp2.yaml", 2), ("gpt-oss-120b-tp4.yaml", 4), ("gpt-oss-120b-tp8.yaml", 8)]
)
def test_a_tensor_parallel_replica_stays_in_one_machine(name: str, workers: int) -> None:
    (model,) = read(name).models
    assert (model.world_size, model.placement.strategy) == (workers, "STRICT_PACK")


def test_two_nodes_hold_a_stage_each() -> None:
    config = read("gpt-oss-120b-2nodes.yaml")
    (model,) = config.models
    assert (model.engine["tensor_parallel_size"], model.engine["pipeline_parallel_size"]) == (8, 2)
    assert (model.placement.strategy, model.engine["distributed_executor_backend"]) == ("PACK", "ray")
    assert config.ray.address == "auto"


@pytest.mark.parametrize("name", ["gpt-oss-120b-tp4.yaml", "gpt-oss-120b-tp8.yaml", "gpt-oss-120b-2nodes.yaml"])
def test_experts_are_not_cut_inside_a_quantization_block(name: str) -> None:
    (model,) = read(name).models
    tensor = model.engine["tensor_parallel_size"]
    assert 2880 // 32 % tensor, "else slicing would be even, and the file's reason for expert parallelism wrong"
    assert model.engine["enable_expert_parallel"] is True
    assert LARGE.experts % tensor == 0


@pytest.mark.parametrize("name", ["demo.yaml", "bench.yaml"])
def test_files_for_a_laptop_need_no_gpu_no_network_and_two_cores(name: str) -> None:
    config = read(name)
    assert config.http.host == "127.0.0.1"
    assert config.ray.num_cpus == 2
    for model in config.models:
        assert model.placement.gpus_per_worker == 0
        assert model.environment["HF_HUB_OFFLINE"] == "1"
        assert model.engine["prefix_cache_retention_interval" if "gpt-oss" in model.id else "block_size"] % 32 == 0


def test_the_demo_has_room_for_a_second_replica() -> None:
    assert load(None, {"OSSATURE_MODELS__0__REPLICAS": "2"}).models[0].replicas == 2


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_vllm_knows_every_engine_argument(path: Path) -> None:
    from cluster.engine.vllm import arguments

    for model in load(path, {}).models:
        # Whether the weights are on this machine is not the question here.
        assert [problem for problem in arguments.check(model) if not problem.startswith("source:")] == []
