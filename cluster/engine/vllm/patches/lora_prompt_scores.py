"""Let log-probabilities of prompts be asked of an engine that takes adapters, on CPU.

The output layer is told the adapter of each request in a step, one row for each. The rows of a prompt whose log-probabilities are
asked for are as many as its tokens: vLLM's CPU code then multiplies matrices that don't fit each other, and the whole engine ends,
once two requests share a step. Here such rows pass the output layer as they are. An adapter on the output layer itself would be
missing from them; no recipe of ours makes one. The kernels of GPUs skip the rows that they were told nothing of.
"""

from __future__ import annotations

from typing import Any


def score_prompts_beside_others() -> None:
    """Mend the CPU's wrapper. Idempotent."""
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

    original = PunicaWrapperCPU.add_lora_logits
    if getattr(original, "ossature_patch", False):
        return

    def add_lora_logits(self: Any, y: Any, x: Any, *args: Any, **options: Any) -> None:
        rows = x.numel() // x.shape[-1]
        if rows == self.sampler_indices.shape[0]:
            original(self, y, x, *args, **options)

    add_lora_logits.ossature_patch = True  # type: ignore[attr-defined]
    PunicaWrapperCPU.add_lora_logits = add_lora_logits
