from __future__ import annotations

import subprocess
import sys

import pytest

from cluster.tuning.recipes import catalog, gpt_oss_20b, gpt_oss_120b, qwen3
from cluster.tuning.recipes.estimate import estimate
from cluster.tuning.recipes.recipe import GIB
from cluster.tuning.recipes.shape import ModelShape
from cluster.tuning.training.errors import UnsupportedModel
from cluster.tuning.training.ray_launcher import RayLauncher, resources
from cluster.tuning.training.spec import Adapter, Device, TrainSpec

GPT_OSS = {
    "architectures": ["GptOssForCausalLM"],
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 201_088,
    "num_experts_per_tok": 4,
    "tie_word_embeddings": False,
}
GPT_OSS_20B = GPT_OSS | {"num_hidden_layers": 24, "num_local_experts": 32}
GPT_OSS_120B = GPT_OSS | {"num_hidden_layers": 36, "num_local_experts": 128}
QWEN3_8B = {
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 12_288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_936,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("config", "billions", "active_billions"),
    [(GPT_OSS_20B, 20.9, 3.6), (GPT_OSS_120B, 116.8, 5.1), (QWEN3_8B, 8.2, 7.6)],
)
def test_shapes_have_the_published_sizes(config: dict[str, object], billions: float, active_billions: float) -> None:
    shape = ModelShape.of(config)
    assert shape.parameters / 1e9 == pytest.approx(billions, rel=0.01)
    assert shape.active_parameters / 1e9 == pytest.approx(active_billions, rel=0.15)


def test_a_model_finds_its_recipe() -> None:
    assert catalog.recipe_for(GPT_OSS_20B) is gpt_oss_20b.RECIPE
    assert catalog.recipe_for(GPT_OSS_120B) is gpt_oss_120b.RECIPE
    assert catalog.recipe_for(QWEN3_8B) is qwen3.RECIPE
    assert catalog.recipe_for({"architectures": ["SmolVLMForConditionalGeneration"], "text_config": {}}).images == "filled"
    with pytest.raises(UnsupportedModel, match="MambaForCausalLM"):
        catalog.recipe_for({"architectures": ["MambaForCausalLM"]})
    with pytest.raises(UnsupportedModel, match="there are gpt-oss-120b"):
        catalog.named("gpt-2")


def test_adapters_fit_where_the_recipe_says() -> None:
    for config, gpus, least, most in ((GPT_OSS_20B, 1, 40, 60), (GPT_OSS_120B, 4, 55, 75), (QWEN3_8B, 1, 15, 30)):
        found = estimate(ModelShape.of(config), catalog.recipe_for(config), tokens=1_000_000, micro_batch_tokens=4096)
        assert found.fits
        assert found.gpus == gpus
        assert least < found.memory_bytes / GIB < most
        assert found.describe().startswith(f"Recipe {catalog.recipe_for(config).name}")


def test_every_weight_of_the_largest_is_refused() -> None:
    shape = ModelShape.of(GPT_OSS_120B)
    assert not estimate(shape, gpt_oss_120b.RECIPE, tokens=1, micro_batch_tokens=1, adapter=Adapter.FULL).fits
    spec = TrainSpec(
        job_id="j",
        base_model="b",
        training_file="t",
        output_dir="o",
        adapter=Adapter.FULL,
        device=Device.CUDA,
    )
    with pytest.raises(UnsupportedModel, match="too large"):
        resources(spec, gpt_oss_120b.RECIPE, 1.0)
    assert resources(spec, gpt_oss_20b.RECIPE, 1.0) == {"CPU": 1.0, "GPU": 8.0}
    assert resources(spec.model_copy(update={"device": Device.CPU}), gpt_oss_120b.RECIPE, 0.5) == {"CPU": 0.5}


def test_training_by_ray_takes_only_nodes_that_offer_what_the_settings_name() -> None:
    spec = TrainSpec(job_id="j", base_model="b", training_file="t", output_dir="o", device=Device.CUDA)
    launcher = RayLauncher(custom={"ossature_tuning": 0.001})
    assert launcher.reserved(spec, gpt_oss_20b.RECIPE) == {"CPU": 1.0, "GPU": 1.0, "ossature_tuning": 0.001}
    assert RayLauncher().reserved(spec, gpt_oss_20b.RECIPE) == {"CPU": 1.0, "GPU": 1.0}


def test_adapters_are_counted_as_peft_counts_them() -> None:
    # 4 layers of hidden 128, 4 heads of 32, 2 of them for keys and values, feed-forward 384, rank 8.
    shape = ModelShape(4, 128, 384, 128, 64, 512, tied_embeddings=True)
    per_layer = 8 * ((128 + 128) * 2 + (128 + 64) * 2 + (128 + 384) * 3)
    assert shape.lora_parameters(8, feed_forward=True, experts=False) == 4 * per_layer


def test_specs_events_recipes_and_launchers_load_no_training_framework() -> None:
    names = (
        "spec",
        "events",
        "parity",
        "job",
        "launcher",
        "subprocess_launcher",
        "ray_launcher",
        "hyperparameters",
        "results",
        "planning",
    )
    code = ";".join(f"import cluster.tuning.training.{name}" for name in names)
    code += ";import sys;print(sorted({'torch','transformers','trl','peft','datasets','ray','pandas','PIL'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
