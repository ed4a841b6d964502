"""Whether engines can take what is trained as an adapter, and why not where they can't.

| What is trained, or served                | as an adapter | because                                                       |
|-------------------------------------------|---------------|---------------------------------------------------------------|
| low-rank matrices, within the base's rank | yes           |                                                               |
| every weight                              | no            | there is nothing small to add to the base                     |
| of a base without ``adapters.enabled``    | no            | its engines have kept no room for adapters                    |
| a rank above ``adapters.max_rank``        | no            | the same                                                      |
| matrices on a mixture's experts           | no            | the engine's expert layers take none                          |
| whole modules (``modules_to_save``)       | no            | the engine only adds products of two matrices                 |
| DoRA, biases                              | no            | the same                                                      |

What can't be an adapter is merged: computed into the base's weights, and served as a model of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.config.settings.models import ModelSettings


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training changes. ``rank``: of its adapter; without meaning where every weight is trained."""

    rank: int
    every_weight: bool = False
    experts: bool = False
    whole_modules: bool = False
    dora: bool = False
    biases: bool = False


def why_merged(trained: Trained, base: ModelSettings) -> tuple[str, ...]:
    """Each reason in words that follow "because"; empty: replicas of the base load it as an adapter."""
    if trained.every_weight:
        return ("every weight is trained",)
    reasons = []
    if not base.adapters.enabled:
        reasons.append(f"{base.id} is served without adapters")
    elif trained.rank > base.adapters.max_rank:
        reasons.append(f"its rank is {trained.rank}, and {base.id} takes adapters up to rank {base.adapters.max_rank}")
    if trained.experts:
        reasons.append("it adapts the experts of a mixture, which the serving engine does not")
    if trained.whole_modules:
        reasons.append("it replaces whole modules, which the serving engine does not")
    if trained.dora:
        reasons.append("it is a DoRA adapter, which the serving engine does not take")
    if trained.biases:
        reasons.append("it trains biases, which the serving engine does not take")
    return tuple(reasons)


def why_unmergeable(base: ModelSettings) -> str | None:
    """Why weights of the base's form could not be served with its engine's arguments; ``None``: they can."""
    quantization = base.engine.get("quantization")
    # Weights are written as they are computed; fp8 is made from such when they are loaded.
    if quantization not in (None, "fp8"):
        return f"{base.id} is served with engine.quantization {quantization}, and merged weights are not quantized"
    load_format = base.engine.get("load_format", "auto")
    if load_format not in ("auto", "safetensors"):
        return f"{base.id} is served with engine.load_format {load_format}, and merged weights are safetensors"
    return None
