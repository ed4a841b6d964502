"""Loading what is trained: the base, its tokenizer or processor, and the adapter's place in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from cluster.tuning.recipes import catalog
from cluster.tuning.recipes.recipe import Recipe
from cluster.tuning.training.errors import UnsupportedModel
from cluster.tuning.training.spec import Adapter, Device, TrainSpec


def load_model(folder: Path, recipe: Recipe, *, device: Device, adapter: Adapter, spread: bool) -> Any:
    """The base with its weights: float32 on a processor or when every weight is trained, else the recipe's precision.

    ``spread`` lays its layers across all GPUs that this process sees.
    """
    options: dict[str, Any] = {
        "dtype": torch.float32 if device is Device.CPU or adapter is Adapter.FULL else getattr(torch, recipe.precision)
    }
    if spread:
        options["device_map"] = "auto"
    if recipe.dequantize_mxfp4 and "quantization_config" in catalog.config_of(folder):
        from transformers import Mxfp4Config

        options["quantization_config"] = Mxfp4Config(dequantize=True)
    auto = AutoModelForImageTextToText if recipe.images else AutoModelForCausalLM
    return auto.from_pretrained(folder, local_files_only=True, **options)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer; one without padding pads with its stop token, which attention never sees."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_processor(folder: Path) -> Any:
    """The processor of a model that sees: image processor and tokenizer in one."""
    return AutoProcessor.from_pretrained(folder, local_files_only=True)


def lora(spec: TrainSpec, recipe: Recipe) -> LoraConfig | None:
    """The adapter to train, or ``None`` if every weight is.

    Raises:
        UnsupportedModel: adapters on experts are asked of a model that has none.
    """
    if spec.adapter is Adapter.FULL:
        return None
    if spec.lora_experts and not recipe.expert_parameters:
        raise UnsupportedModel(f"{recipe.name} has no experts to put adapters on")
    rank = spec.lora_rank or recipe.lora_rank
    return LoraConfig(
        r=rank,
        lora_alpha=round(rank * recipe.lora_alpha_ratio),
        lora_dropout=0.0,
        target_modules=recipe.lora_targets if isinstance(recipe.lora_targets, str) else list(recipe.lora_targets),
        target_parameters=list(recipe.expert_parameters) if spec.lora_experts else None,
        task_type="CAUSAL_LM",
    )
