"""Qwen3, dense, of any size. Its template writes an empty thought before an answer: serve the result with thinking off."""

from __future__ import annotations

from cluster.tuning.recipes.recipe import GIB, Recipe

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

RECIPE = Recipe(
    name="qwen3",
    architectures=("Qwen3ForCausalLM",),
    lora_targets=LINEAR,
    lora_rate=2e-4,
    full_rate=1e-5,
    gpus=1,
    full_gpus=2,
    gpu_memory_bytes=80 * GIB,
)
