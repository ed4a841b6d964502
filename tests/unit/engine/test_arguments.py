"""Engine arguments: vLLM's parser on a machine without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.config.settings.models import ModelSettings
from cluster.engine.vllm.architecture import is_gpt_oss, model_type
from cluster.engine.vllm.arguments import build, check

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[3] / "configs"
READY = sorted(CONFIGS.glob("*.yaml"))


def model(source: str = "org/some-model", **engine: Any) -> ModelSettings:
    return ModelSettings(id="served-name", source=source, engine=engine)


def folder(path: Path, kind: str) -> str:
    (path / "config.json").write_text(f'{{"model_type": "{kind}"}}', encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_ready_configurations_pass_vllms_parser(path: Path) -> None:
    for settings in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
        checked = ModelSettings.model_validate(settings)
        problems = [problem for problem in check(checked) if not problem.startswith("source:")]  # weights come with `make setup`
        assert problems == []


def test_there_are_ready_configurations() -> None:
    assert len(READY) >= 6


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"enforce_eager": True}, True),
        ({"enable_chunked_prefill": False}, False),
        ({"max_model_len": "4k"}, 4000),
        ({"max_model_len": 4096}, 4096),
        ({"gpu_memory_utilization": 0.5}, 0.5),
        ({"cudagraph_capture_sizes": [1, 2, 4]}, [1, 2, 4]),
        ({"limit_mm_per_prompt": {"image": 2}}, {"image": 2}),
        ({"hf_overrides": {"rope_theta": 1e6}}, {"rope_theta": 1e6}),
        ({"default_chat_template_kwargs": {"enable_thinking": False}}, {"enable_thinking": False}),
        ({"prefix_cache_retention_interval": None}, None),
        ({"dtype": "bfloat16"}, "bfloat16"),
        ({"revision": "-starts-with-a-dash"}, "-starts-with-a-dash"),
        ({"allowed_local_media_path": "with = and space"}, "with = and space"),
    ],
    ids=str,
)
def test_every_kind_of_yaml_value_reaches_vllm(given: dict[str, Any], expected: object) -> None:
    assert check(model(**given)) == []
    assert getattr(build(model(**given)), next(iter(given))) == expected


def test_nested_configuration_becomes_vllms_object() -> None:
    namespace = build(model(compilation_config={"mode": 0}, lora_modules=[{"name": "a", "path": "/b"}], enable_lora=True))
    assert namespace.compilation_config.mode == 0
    assert namespace.lora_modules[0].name == "a"


def test_adapters_become_vllms_arguments(tmp_path: Path) -> None:
    adapters = {"enabled": True, "max_rank": 20, "max_running": 2, "max_loaded": 5}
    namespace = build(ModelSettings(id="m", source="org/some-model", adapters=adapters))
    lora = namespace.enable_lora, namespace.max_lora_rank, namespace.max_loras, namespace.max_cpu_loras
    assert lora == (True, 32, 2, 5)
    assert namespace.lora_target_modules is None
    gpt_oss = build(ModelSettings(id="m", source=folder(tmp_path, "gpt_oss"), adapters=adapters))
    assert gpt_oss.lora_target_modules == ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert not build(model()).enable_lora


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tensor_paralel_size": 2}, "engine.tensor_paralel_size: vLLM has no such argument; did you mean `tensor_parallel_size`?"),
        ({"enforce_eager": "yes"}, "engine.enforce_eager: expected true or false, got 'yes'"),
        ({"dtype": "float7"}, "invalid choice: 'float7'"),
        ({"seed": "abc"}, "engine.seed: argument --seed: invalid int value: 'abc'"),
        ({"compilation_config": {"foo": 1}}, "Unexpected keyword argument"),
        ({"enable_log_requests": True}, "it would write prompts to the logs"),
        ({"disable_log_stats": True}, "metrics need the statistics"),
        ({"ssl_ciphers": "x"}, "it belongs to vLLM's own HTTP server, which is not used"),
        ({"tool_server": "demo"}, "can run code"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_its_path(given: dict[str, Any], told: str) -> None:
    (problem,) = check(model(**given))
    assert told in problem
    with pytest.raises(ValueError, match="served-name"):
        build(model(**given))


def test_all_problems_are_found_at_once() -> None:
    assert len(check(model(dtype="float7", seed="abc", no_such_thing=1))) == 3


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert check(model(str(tmp_path))) == [f"source: {tmp_path} has no config.json"]
    assert check(model("/no/such/folder")) == ["source: /no/such/folder is no folder"]


def test_the_cluster_sets_identity_priority_and_accounting() -> None:
    namespace = build(model("org/m"))
    assert namespace.model == "org/m"
    assert namespace.served_model_name == ["served-name"]
    assert namespace.scheduling_policy == "priority"
    assert namespace.enable_prompt_tokens_details is True
    assert namespace.disable_log_stats is False
    assert namespace.distributed_executor_backend == "uni"


def test_gpt_oss_gets_its_parsers_and_keeps_its_prefixes(tmp_path: Path) -> None:
    namespace = build(model(folder(tmp_path, "gpt_oss")))
    assert namespace.prefix_cache_retention_interval == 256
    assert (namespace.tool_call_parser, namespace.reasoning_parser) == ("openai", "openai_gptoss")
    assert namespace.enable_auto_tool_choice is True


def test_gpt_oss_defaults_give_way_to_settings(tmp_path: Path) -> None:
    namespace = build(model(folder(tmp_path, "gpt_oss"), prefix_cache_retention_interval=512))
    assert namespace.prefix_cache_retention_interval == 512


def test_other_models_get_no_gpt_oss_defaults(tmp_path: Path) -> None:
    namespace = build(model(folder(tmp_path, "llama")))
    assert namespace.tool_call_parser is None
    assert namespace.prefix_cache_retention_interval == 0


def test_a_repository_that_was_never_downloaded_is_known_by_name_only() -> None:
    assert is_gpt_oss("openai/gpt-oss-20b")
    assert model_type("org/never-heard-of-it") is None


def test_tool_choice_without_a_parser_is_refused() -> None:
    with pytest.raises(ValueError, match="tool-call-parser"):
        build(model(enable_auto_tool_choice=True))
