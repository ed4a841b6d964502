"""Whole models for tests: a configuration, a tokenizer and weights of random numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.unit.tuned.adapters import write_safetensors


def write_whole(folder: Path, *, seed: int = 0, files: int = 1) -> Path:
    """A folder as a run leaves it; ``files``: over how many the weights go."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["Qwen3ForCausalLM"], "dtype": "float32"}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "empty.txt").write_text("")
    for number in range(files):
        tensors = {f"model.layers.{number}.weight": random.normal(0.0, 1.0, (8, 8)).astype(np.float32)}
        write_safetensors(folder / f"model-{number}.safetensors", tensors)
    return folder
