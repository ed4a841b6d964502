"""gpt-oss-20b: 21 billion parameters, 3.6 billion active, 24 layers of 32 experts.

Adapters go on attention alone by default: those are what every serving engine loads. Biases and sinks stay as they are.
"""

from __future__ import annotations

from cluster.tuning.recipes.recipe import GIB, Recipe

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
EXPERTS = ("mlp.experts.gate_up_proj", "mlp.experts.down_proj")

RECIPE = Recipe(
    name="gpt-oss-20b",
    architectures=("GptOssForCausalLM",),
    lora_targets=ATTENTION,
    expert_parameters=EXPERTS,
    lora_rate=2e-4,
    full_rate=1e-5,
    gpus=1,
    full_gpus=8,
    gpu_memory_bytes=80 * GIB,
    micro_batch_rows=1,
    max_length_tokens=4096,
    parallel_tool_calls=False,
    dequantize_mxfp4=True,
)
