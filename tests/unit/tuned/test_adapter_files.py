"""What is read of an adapter's files before an engine may see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.tuned.adapter_files import CONFIG_FILE, WEIGHTS_FILE, BadAdapter, read_shape
from tests.unit.tuned.adapters import write_adapter, write_safetensors

MODULE = "base_model.model.model.layers.0.self_attn.q_proj"


def test_rank_and_modules_are_those_of_the_weights(tmp_path: Path) -> None:
    shape = read_shape(write_adapter(tmp_path, rank=4, hidden=64, layers=3))
    assert shape.rank == 4
    assert len(shape.modules) == 6
    module = shape.modules["model.layers.2.self_attn.q_proj"]
    assert (module.inputs, module.outputs, module.rank) == (64, 64, 4)


def test_what_safetensors_itself_writes_is_read(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    write_adapter(tmp_path)
    tensors = {f"{MODULE}.lora_A.weight": np.ones((4, 8), np.float32), f"{MODULE}.lora_B.weight": np.ones((16, 4), np.float32)}
    save_file(tensors, tmp_path / WEIGHTS_FILE)
    (module,) = read_shape(tmp_path).modules.values()
    assert (module.inputs, module.outputs) == (8, 16)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"peft_type": "IA3"}, "kind IA3"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": None}, "no rank"),
        ({"r": True}, "no rank"),
        ({"r": 2}, "rank 2, and its weights have 4"),
        ({"rank_pattern": {"q_proj": "8"}}, "no rank"),
    ],
)
def test_kinds_that_no_engine_serves_are_told_apart(tmp_path: Path, config: dict[str, Any], why: str) -> None:
    write_adapter(tmp_path, config=config)
    with pytest.raises(BadAdapter, match=why):
        read_shape(tmp_path)


def test_a_module_of_its_own_rank_counts(tmp_path: Path) -> None:
    assert read_shape(write_adapter(tmp_path, config={"rank_pattern": {"q_proj": 32}})).rank == 32


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_adapter(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BadAdapter, match=f"has no {name}"):
        read_shape(tmp_path)


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: raw[:4], lambda raw: b"\xff" * 64])
def test_weights_that_are_cut_short_or_something_else_are_refused(tmp_path: Path, damage: Any) -> None:
    path = write_adapter(tmp_path) / WEIGHTS_FILE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadAdapter):
        read_shape(tmp_path)


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({f"{MODULE}.weight": (4, 8)}, "no part of a LoRA adapter"),
        ({f"{MODULE}.lora_A.weight": (4, 8)}, "only one"),
        ({f"{MODULE}.lora_A.weight": (4, 8), f"{MODULE}.lora_B.weight": (8, 2)}, "don't fit"),
        ({f"{MODULE}.lora_A.weight": (4,), f"{MODULE}.lora_B.weight": (8, 4)}, "no matrix"),
    ],
)
def test_tensors_that_are_no_pairs_of_matrices_are_refused(tmp_path: Path, tensors: dict[str, tuple[int, ...]], why: str) -> None:
    write_adapter(tmp_path)
    write_safetensors(tmp_path / WEIGHTS_FILE, {name: np.ones(shape, np.float32) for name, shape in tensors.items()})
    with pytest.raises(BadAdapter, match=why):
        read_shape(tmp_path)


def test_an_adapter_of_another_model_is_told_by_width_and_depth(tmp_path: Path) -> None:
    shape = read_shape(write_adapter(tmp_path, hidden=128, layers=2))
    shape.check_base(128, 2)
    with pytest.raises(BadAdapter, match="width 128, and the base model's is 256"):
        shape.check_base(256, 2)
    with pytest.raises(BadAdapter, match="layer 1, and the base model has 1 layers"):
        shape.check_base(128, 1)
