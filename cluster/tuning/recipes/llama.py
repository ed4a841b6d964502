"""Llama 2 and 3, and what has their shape."""

from __future__ import annotations

import dataclasses

from cluster.tuning.recipes import qwen3

RECIPE = dataclasses.replace(
    qwen3.RECIPE,
    name="llama",
    architectures=("LlamaForCausalLM", "MistralForCausalLM"),
)
