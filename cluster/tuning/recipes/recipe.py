"""The form of a recipe: everything about tuning that differs between families of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cluster.tuning.training.spec import Adapter, Method

Precision = Literal["bfloat16", "float32"]
#: How pixels of several rows become one batch: rows side by side, each filled up with empty images; or all images in one list.
ImageLayout = Literal["filled", "listed"]

#: Preferences are learned with a tenth of the rate of completions: each pair pushes two ways.
_DPO_SHARE = 0.1
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one family is tuned.

    ``gpus`` are those of one worker that trains an adapter. A model that needs several is laid across them layer by layer, which
    takes their memory together but keeps one of them busy at a time. ``full_gpus`` is the same for every weight; 0: not at all.
    """

    name: str
    architectures: tuple[str, ...]
    #: Names of modules, or a regular expression over their full names.
    lora_targets: tuple[str, ...] | str
    lora_rate: float
    full_rate: float
    gpus: int
    full_gpus: int
    gpu_memory_bytes: int
    #: Depths that this recipe is for; ``None``: any.
    layers: tuple[int, ...] | None = None
    #: Parameters of a mixture's experts that adapters may be put on.
    expert_parameters: tuple[str, ...] = ()
    lora_rank: int = 16
    #: PEFT's ``lora_alpha`` over the rank: the factor of what the adapter adds.
    lora_alpha_ratio: float = 2.0
    precision: Precision = "bfloat16"
    micro_batch_rows: int = 4
    max_length_tokens: int = 8192
    gradient_checkpointing: bool = True
    #: Whether the family's chat template writes more than the first of parallel tool calls.
    parallel_tool_calls: bool = True
    #: Weights come as MXFP4 and are trained as bfloat16.
    dequantize_mxfp4: bool = False
    images: ImageLayout | None = None

    def learning_rate(self, method: Method, adapter: Adapter) -> float:
        """Peak of the schedule, before the multiplier."""
        rate = self.lora_rate if adapter is Adapter.LORA else self.full_rate
        return rate * _DPO_SHARE if method is Method.DPO else rate

    def gpus_for(self, adapter: Adapter) -> int:
        """GPUs of one worker; 0: no worker can."""
        return self.gpus if adapter is Adapter.LORA else self.full_gpus

    @property
    def adapts_feed_forward(self) -> bool:
        """Whether adapters go on a dense model's feed-forward blocks too."""
        targets = self.lora_targets if isinstance(self.lora_targets, str) else " ".join(self.lora_targets)
        return "gate_proj" in targets
