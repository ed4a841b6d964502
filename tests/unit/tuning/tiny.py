"""Tiny models with random weights, rows and specs for tests that train."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cluster.tuning.training.events import Event
from cluster.tuning.training.spec import TrainSpec
from models.tuning_demo import shapes, shop, text


def write_model(folder: Path, family: str = "qwen3") -> Path:
    """A model that knows nothing, with its tokenizer."""
    words = text.tokenizer()
    shapes.make_text_model(family, words, seed=1).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def task_rows(count: int, seed: int = 3) -> list[dict[str, Any]]:
    return [shop.task_row(made) for made in shop.customers(seed, count)]


def preference_rows(count: int, seed: int = 3) -> list[dict[str, Any]]:
    """The item's name rather than another item's."""
    rng, rows = random.Random(seed), []
    for made in shop.customers(seed, count):
        right = shop.row(shop.NAME_ITEM, made.text, made.item)
        wrong = rng.choice([item for item in shop.ITEMS if item != made.item])
        rows.append(
            {"prompt": right["prompt"], "chosen": right["completion"], "rejected": [{"role": "assistant", "content": wrong}]}
        )
    return rows


def spec(base_model: Path, training_file: Path, output_dir: Path, **fields: Any) -> TrainSpec:
    """A short run: two epochs of batches of 8 at ten times the recipe's rate."""
    numbers = {"n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 10.0} | fields.pop("hyperparameters", {})
    return TrainSpec.model_validate(
        {
            "job_id": output_dir.name,
            "base_model": base_model,
            "training_file": training_file,
            "output_dir": output_dir,
            "hyperparameters": numbers,
            "seed": 5,
        }
        | fields
    )


def losses(events: Iterable[Event]) -> dict[int, float]:
    return {event.fields["step"]: event.fields["train_loss"] for event in events if event.kind == "step"}
