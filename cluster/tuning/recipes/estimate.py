"""What a run will take, said before it starts: a formula, not a promise.

Memory of each GPU, in bytes, with P parameters, T trained ones, n tokens in a micro-batch, hidden size h, L layers, k GPUs::

    weights       adapter: 2 P / k       every weight: 4 P / k          (bfloat16; float32 masters)
    training      12 T / k more than the weights themselves             (gradient 4, Adam 8); adapters: 16 T
    activations   n x (2 L h + 40 h + 8 i)                              (each layer's input kept, one layer computed again)
                  n x L x (34 h + 6 i)                                  (without gradient checkpointing)
    and 2 GiB     of the runtime

Seconds: tokens x active parameters x F / speed, where F counts 2 for forward, 2 for the gradient of activations, 2 for that of
weights (every weight only) and 2 for what checkpointing computes again; DPO adds 2 for the reference. Layers laid across several
GPUs work one after another, so that they are no faster than one. To this comes a start of 60 s and 1 s for each 2 GB of weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.tuning.recipes.recipe import GIB, Recipe
from cluster.tuning.recipes.shape import ModelShape
from cluster.tuning.training.spec import Adapter, Device, Method

#: Operations in a second that training reaches: a third of 990 TFLOP/s (H100, bfloat16, dense); one core with AVX-512.
_SPEED = {Device.CUDA: 330e12, Device.CPU: 20e9}
_RUNTIME_BYTES = 2 * GIB
_START_S = 60.0
_LOAD_BYTES_PER_S = 2e9
#: Of JSON with a chat's text in it.
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """``memory_bytes`` is for each of ``gpus``."""

    recipe: str
    gpus: int
    memory_bytes: int
    fits: bool
    trained_parameters: int
    tokens: int
    seconds: float

    def describe(self) -> str:
        """One sentence for whoever is about to start the run."""
        where = f"{self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else "the processor"
        return (
            f"Recipe {self.recipe}: {self.trained_parameters:,} trained parameters, about {self.tokens:,} tokens; needs about "
            f"{self.memory_bytes / GIB:.1f} GiB on {'each of ' if self.gpus > 1 else ''}{where} and about {_duration(self.seconds)}"
            f"{'' if self.fits else ', which is more memory than there is'}."
        )


def tokens_of(size_bytes: int) -> int:
    """Tokens of a training file, roughly."""
    return max(1, size_bytes // _BYTES_PER_TOKEN)


def estimate(
    shape: ModelShape,
    recipe: Recipe,
    *,
    tokens: int,
    micro_batch_tokens: int,
    method: Method = Method.SUPERVISED,
    adapter: Adapter = Adapter.LORA,
    device: Device = Device.CUDA,
    rank: int | None = None,
    experts: bool = False,
    workers: int = 1,
) -> Estimate:
    """What training on ``tokens`` (all epochs together) takes."""
    lora = adapter is Adapter.LORA
    gpus = recipe.gpus_for(adapter) if device is Device.CUDA else 0
    split = max(1, gpus)
    trained = (
        shape.lora_parameters(rank or recipe.lora_rank, feed_forward=recipe.adapts_feed_forward, experts=experts)
        if lora
        else shape.parameters
    )
    weight_bytes = 2 if lora and device is Device.CUDA else 4
    weights = shape.parameters * weight_bytes
    checkpointing = recipe.gradient_checkpointing and device is Device.CUDA
    kept = (
        2 * shape.layers * shape.hidden + 40 * shape.hidden + 8 * shape.intermediate
        if checkpointing
        else shape.layers * (34 * shape.hidden + 6 * shape.intermediate)
    )
    memory = (weights + trained * (16 if lora else 12)) // split + micro_batch_tokens * kept + _RUNTIME_BYTES
    factor = 4 + (0 if lora else 2) + (2 if checkpointing else 0) + (2 if method is Method.DPO else 0)
    seconds = tokens * shape.active_parameters * factor / (_SPEED[device] * workers)
    return Estimate(
        recipe=recipe.name,
        gpus=gpus,
        memory_bytes=memory,
        fits=device is Device.CPU or (gpus > 0 and memory <= recipe.gpu_memory_bytes),
        trained_parameters=trained,
        tokens=tokens,
        seconds=seconds + _START_S + weights / _LOAD_BYTES_PER_S,
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
