"""Let mixture-of-experts models take LoRA adapters on CPU.

With LoRA enabled vLLM picks the Triton backend for unquantized experts before it looks at what the platform can run; Triton has no
CPU backend, so the first request fails. Adapters that leave the experts alone (``lora_target_modules`` limited to attention) need
no LoRA-capable expert kernel at all, so the expert layers are told that LoRA is off.
"""

from __future__ import annotations

from typing import Any


def keep_experts_on_cpu_backend() -> None:
    """Make every expert layer of this process ignore LoRA. Idempotent. Only for CPU: on GPUs expert LoRA works."""
    from vllm.model_executor.layers.fused_moe.config import FusedMoEConfig

    original = FusedMoEConfig.__post_init__
    if getattr(original, "ossature_patch", False):
        return

    def without_lora(self: Any) -> None:
        self.is_lora_enabled = False
        original(self)

    without_lora.ossature_patch = True  # type: ignore[attr-defined]
    FusedMoEConfig.__post_init__ = without_lora
