"""The GPU comparison, as far as it goes without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import gpu
from bench.live.vllm import arguments
from bench.load import Outcome, Sample

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def quick_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a model without its tokenizer, which takes 11 s to build and has tests of its own."""

    def make(out: Path, model: gpu.BenchModel) -> bool:
        folder = out / model.name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(model.config))
        return True

    monkeypatch.setattr(gpu, "make", make)


@pytest.mark.parametrize(("size", "layers", "experts"), [("20b", 24, 32), ("120b", 36, 128)])
def test_shapes_are_those_of_the_published_models(size: str, layers: int, experts: int) -> None:
    config = gpu.shape(size).config
    assert (config["num_hidden_layers"], config["num_local_experts"]) == (layers, experts)
    assert len(config["layer_types"]) == layers
    expert_weights = layers * experts * 3 * config["hidden_size"] * config["intermediate_size"]
    assert expert_weights == pytest.approx({"20b": 19.1e9, "120b": 114.7e9}[size], rel=0.01)


@pytest.mark.slow  # loads vLLM, as do the next two
@pytest.mark.usefixtures("quick_tokenizer")
def test_a_dry_run_checks_both_stacks_and_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--dry-run", "--models", str(tmp_path), "--in-flight", "1", "64"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.count("--load-format dummy") == 2
    assert "975 requests a stack" in said.out
    assert not list(tmp_path.glob("*/*.safetensors"))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_tokenizer")
def test_a_dry_run_finds_what_could_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--dry-run", "--size", "20b", "--models", str(tmp_path), "--prompt-tokens", "70000"]) == 1
    assert "longer than the engine's 65536 tokens" in capsys.readouterr().err


@pytest.mark.slow
def test_an_argument_that_vllm_does_not_know_is_found(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(gpu.shape("20b").config))
    entry = gpu.model_entry("20b", tmp_path, 1, 64)
    entry["engine"]["max_num_sequences"] = 3
    assert any("max_num_sequences" in problem for problem in gpu.check(entry, gpu.Load("m", 10, 10)))


def test_prompts_differ_between_requests_and_rounds_and_are_the_same_for_both_stacks() -> None:
    load = gpu.Load("m", 50, 10)
    bodies = [load.bodies(seed)(number) for seed in (0, 1) for number in range(4)]
    assert len(set(bodies)) == 8
    assert bodies == [load.bodies(seed)(number) for seed in (0, 1) for number in range(4)]


def test_time_a_token_is_from_the_first_to_the_last() -> None:
    sample = Sample(0.0, first_s=0.5, end_s=1.5, completion_tokens=11)
    figures = gpu.figures(Outcome([sample], wall_s=2.0), {"front end": 11e-6, "router": 11e-6, "engine core": 1.0})
    assert figures["tpot_p50_ms"] == pytest.approx(100.0)
    assert figures["ttft_p50_ms"] == 500.0
    assert figures["tokens_per_s"] == 5.5
    assert figures["front_us_per_token"] == pytest.approx(2.0)


def test_engine_arguments_become_options() -> None:
    words = arguments({"max_num_seqs": 4, "enforce_eager": True, "async_scheduling": False, "hf_overrides": {"a": 1}})
    assert words == ["--max-num-seqs", "4", "--enforce-eager", "--no-async-scheduling", "--hf-overrides", '{"a": 1}']
