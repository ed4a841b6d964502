"""LoRA adapters for tests, written as PEFT writes them: two files, no training."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from cluster.tuned.adapter_files import CONFIG_FILE, WEIGHTS_FILE


def write_adapter(
    folder: Path,
    *,
    seed: int = 0,
    rank: int = 4,
    hidden: int = 128,
    layers: int = 2,
    scale: float = 0.2,
    config: dict[str, Any] | None = None,
) -> Path:
    """An adapter of ``q_proj`` and ``o_proj`` (both ``hidden`` wide on each side) with random matrices of this scale."""
    random = np.random.default_rng(seed)
    tensors = {}
    for layer in range(layers):
        for part in ("q_proj", "o_proj"):
            name = f"base_model.model.model.layers.{layer}.self_attn.{part}"
            tensors[f"{name}.lora_A.weight"] = random.normal(0.0, scale, (rank, hidden)).astype(np.float32)
            tensors[f"{name}.lora_B.weight"] = random.normal(0.0, scale, (hidden, rank)).astype(np.float32)
    declared = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "target_modules": ["q_proj", "o_proj"], "bias": "none"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(declared | (config or {})))
    write_safetensors(folder / WEIGHTS_FILE, tensors)
    return folder


def write_safetensors(path: Path, tensors: dict[str, Any]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
