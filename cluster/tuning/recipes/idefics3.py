"""Idefics3 and SmolVLM: a SigLIP tower before a Llama. Adapters go on the language model alone: engines load no others."""

from __future__ import annotations

import dataclasses

from cluster.tuning.recipes import qwen3

RECIPE = dataclasses.replace(
    qwen3.RECIPE,
    name="idefics3",
    architectures=("Idefics3ForConditionalGeneration", "SmolVLMForConditionalGeneration"),
    lora_targets=r".*text_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
    full_gpus=1,
    micro_batch_rows=2,
    images="filled",
)
