"""What engines take as an adapter and what is merged, as a table; which models can be tuned by that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.config.problems import ConfigError
from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import ModelSettings
from cluster.tuning.served_models import ServedModels
from cluster.tuning.serving_form import Trained, why_merged, why_unmergeable
from tests.unit.fine_tuning.conftest import QWEN3
from tests.unit.storage.served import ACME

WITH_ADAPTERS = {"adapters": {"enabled": True, "max_rank": 16}}
GPT_OSS_120B = {
    "architectures": ["GptOssForCausalLM"],
    "num_hidden_layers": 36,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "vocab_size": 512,
}


def base(**settings: Any) -> ModelSettings:
    return ModelSettings.model_validate({"id": "base", "source": "x", **settings})


@pytest.mark.parametrize(
    ("trained", "settings", "reasons"),
    [
        (Trained(16), WITH_ADAPTERS, []),
        (Trained(8), WITH_ADAPTERS, []),
        (Trained(17), WITH_ADAPTERS, ["its rank is 17, and base takes adapters up to rank 16"]),
        (Trained(16), {}, ["base is served without adapters"]),
        (Trained(17), {}, ["base is served without adapters"]),
        (Trained(16, every_weight=True), WITH_ADAPTERS, ["every weight is trained"]),
        (Trained(16, every_weight=True, experts=True), {}, ["every weight is trained"]),
        (Trained(16, experts=True), WITH_ADAPTERS, ["it adapts the experts of a mixture, which the serving engine does not"]),
        (Trained(16, whole_modules=True), WITH_ADAPTERS, ["it replaces whole modules, which the serving engine does not"]),
        (Trained(16, dora=True), WITH_ADAPTERS, ["it is a DoRA adapter, which the serving engine does not take"]),
        (Trained(16, biases=True), WITH_ADAPTERS, ["it trains biases, which the serving engine does not take"]),
        (
            Trained(32, experts=True),
            WITH_ADAPTERS,
            [
                "its rank is 32, and base takes adapters up to rank 16",
                "it adapts the experts of a mixture, which the serving engine does not",
            ],
        ),
    ],
)
def test_what_is_merged_and_why(trained: Trained, settings: dict[str, Any], reasons: list[str]) -> None:
    assert list(why_merged(trained, base(**settings))) == reasons


@pytest.mark.parametrize(
    ("engine", "named"),
    [
        ({}, None),
        ({"quantization": "fp8"}, None),
        ({"quantization": "mxfp4"}, "engine.quantization mxfp4"),
        ({"load_format": "safetensors"}, None),
        ({"load_format": "gguf"}, "engine.load_format gguf"),
    ],
)
def test_bases_whose_engine_could_not_load_merged_weights(engine: dict[str, Any], named: str | None) -> None:
    why = why_unmergeable(base(engine=engine))
    assert (why is None) == (named is None)
    assert named is None or named in str(why)


@pytest.mark.parametrize(
    ("settings", "merging", "tuned_as"),
    [
        (WITH_ADAPTERS, False, "adapter"),
        (WITH_ADAPTERS, True, "adapter"),
        ({}, False, None),
        ({}, True, "merged"),
        ({**WITH_ADAPTERS, "tuning": {"rank": 32}}, False, None),
        ({**WITH_ADAPTERS, "tuning": {"rank": 32}}, True, "merged"),
        ({**WITH_ADAPTERS, "tuning": {"weights": "full"}}, True, "full"),
        ({**WITH_ADAPTERS, "tuning": {"experts": True}}, True, "adapter"),  # it has none
        ({"engine": {"quantization": "awq"}}, True, None),
    ],
)
def test_models_can_be_tuned_whose_tuned_ones_can_be_served(
    settings: dict[str, Any], merging: bool, tuned_as: str | None, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN3))
    found = ServedModels([base(**settings | {"source": str(tmp_path)})], merging=merging).find(ACME, "base")
    if found is None:
        assert tuned_as is None
    else:
        assert tuned_as == ("full" if found.every_weight else "merged" if found.merged_because else "adapter")
        assert found.max_rank == settings.get("tuning", {}).get("rank", 16)


def test_a_model_too_large_to_train_every_weight_of_is_not_tuned(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GPT_OSS_120B))
    for weights, is_tuned in (("adapter", True), ("full", False)):
        model = base(source=str(tmp_path), tuning={"weights": weights})
        assert (ServedModels([model], merging=True).find(ACME, "base") is not None) == is_tuned


def test_merged_models_are_no_bases(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN3))
    name = "ft:base:org_x::0123456789abcdef"
    merged = base(source=str(tmp_path)).model_copy(update={"id": name})
    assert ServedModels([merged], merging=True).find(ACME, name) is None


@pytest.mark.parametrize(
    ("models", "sections", "named"),
    [
        ([{"id": "m", "source": "s"}], {"tuning": {"enabled": True}}, "tuned_models.max_merged_models"),
        ([{"id": "m", "source": "s", "tuning": {"weights": "full"}, **WITH_ADAPTERS}], {"tuning": {"enabled": True}}, "weights"),
        ([{"id": "ft:m", "source": "s"}], {}, "names of tuned models"),
    ],
)
def test_configurations_whose_results_could_not_be_served(
    models: list[dict[str, Any]], sections: dict[str, Any], named: str
) -> None:
    with pytest.raises((ConfigError, ValueError), match=named):
        ClusterConfig.model_validate({"models": models, **sections})
    if "tuning" in sections:
        ClusterConfig.model_validate({"models": models, **sections, "tuned_models": {"max_merged_models": 1}})
