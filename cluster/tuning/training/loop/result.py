"""What a run leaves: its adapter, or the whole model as an engine loads it in place of the base."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from cluster.tuning.recipes import catalog
from cluster.tuning.recipes.recipe import Recipe

ADAPTER = "adapter"
_WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx"})
_INDEX = ".index.json"
_CONFIG = "config.json"


def write_adapter(trainer: Any, output_dir: Path) -> Path:
    """Write the trained weights with their tokenizer, and put them in place whole."""
    fresh = _fresh(output_dir)
    trainer.save_model(str(fresh))
    (fresh / "training_args.bin").unlink(missing_ok=True)
    return _in_place(fresh, output_dir)


def write_whole(trained: Any, base: Path, recipe: Recipe, output_dir: Path) -> Path:
    """Write all weights, with what an adapter adds, in the base's precision.

    Tokenizer, template and settings of generation are the base's own files: training changes none of them, and what a library
    writes of them anew could differ. ``trained`` must not be used any more.
    """
    fresh = _fresh(output_dir)
    fresh.mkdir()
    whole = trained.merge_and_unload() if isinstance(trained, PeftModel) else trained
    whole.to(precision(base, recipe)).save_pretrained(fresh)
    for path in base.iterdir():
        is_weights = path.suffix in _WEIGHTS or path.name.endswith(_INDEX)
        if path.is_file() and not is_weights and path.name != _CONFIG and not path.name.startswith("."):
            shutil.copyfile(path, fresh / path.name)
    return _in_place(fresh, output_dir)


def precision(base: Path, recipe: Recipe) -> torch.dtype:
    """The base's own; the recipe's where it names none, as what is packed in fewer bits can't be written that way."""
    config = catalog.config_of(base)
    text = config.get("text_config", {})
    named = next((each[key] for each in (config, text) for key in ("dtype", "torch_dtype") if each.get(key)), recipe.precision)
    return getattr(torch, str(named).removeprefix("torch."))


def forget(trainer: Any) -> None:
    """Give back the memory of what a trainer has trained, so that another model finds room."""
    trainer.model = trainer.model_wrapped = trainer.optimizer = trainer.lr_scheduler = None
    trainer.accelerator.free_memory()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _fresh(output_dir: Path) -> Path:
    fresh = output_dir / f".{ADAPTER}"
    shutil.rmtree(fresh, ignore_errors=True)
    return fresh


def _in_place(fresh: Path, output_dir: Path) -> Path:
    result = output_dir / ADAPTER
    shutil.rmtree(result, ignore_errors=True)
    os.rename(fresh, result)
    return result
