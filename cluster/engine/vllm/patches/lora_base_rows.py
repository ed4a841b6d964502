"""Keep adapters off the requests beside them in a batch, on CPU.

A row without an adapter has the index -1. vLLM's PyTorch kernels, which the CPU uses, index the stacked adapters with it, and so
take the last one: a request for the base model that shares a step with one for a tuned model gets that model's answer, and leaves
it in the base model's prompt cache. Here such rows come out of the first of the two products as zeros, so that the second adds
nothing. The kernels of GPUs skip these rows by themselves.
"""

from __future__ import annotations

import sys
from typing import Any

_PUNICA = "vllm.lora.punica_wrapper.punica_cpu"


def keep_adapters_off_base_rows() -> None:
    """Mend the kernels in every place that knows them by now. Idempotent."""
    from vllm.lora.ops import torch_ops
    from vllm.lora.ops.torch_ops import lora_ops

    original = lora_ops.bgmv_shrink
    if getattr(original, "ossature_patch", False):
        return

    def shrink(inputs: Any, lora_b_weights: Any, output_tensor: Any, lora_indices_tensor: Any, scaling: float = 1.0) -> None:
        original(inputs, lora_b_weights, output_tensor, lora_indices_tensor, scaling)
        output_tensor.masked_fill_((lora_indices_tensor < 0).unsqueeze(1), 0)

    shrink.ossature_patch = True  # type: ignore[attr-defined]
    modules: tuple[Any, ...] = (lora_ops, torch_ops, sys.modules.get(_PUNICA))
    for module in modules:
        if module is not None:
            module.bgmv_shrink = shrink
