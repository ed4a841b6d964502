"""What a run will be, told before it starts and without loading anything: its numbers, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster.tuning.recipes import catalog
from cluster.tuning.recipes.estimate import Estimate, estimate, tokens_of
from cluster.tuning.recipes.shape import ModelShape
from cluster.tuning.training import rows
from cluster.tuning.training.errors import NothingToTrain
from cluster.tuning.training.hyperparameters import Resolved, resolve
from cluster.tuning.training.spec import Method, TrainSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """``run`` supposes that no row is too long. Tokens of pictures are not counted."""

    run: Resolved
    estimate: Estimate


def plan(spec: TrainSpec) -> Plan:
    """Read the training file once, and estimate.

    Raises:
        UnsupportedModel: no recipe fits.
        InvalidRow: a row can't be trained on.
        NothingToTrain: there are no rows.
        OSError: a file is missing.
    """
    config = catalog.config_of(spec.base_model)
    recipe = catalog.recipe_of(spec.base_model, spec.recipe)
    count, tokens, longest = _measure(spec.training_file, spec.method)
    if not count:
        raise NothingToTrain(f"{spec.training_file.name} has no rows")
    run = resolve(spec.hyperparameters, rows=count, recipe=recipe, method=spec.method, adapter=spec.adapter, workers=spec.workers)
    limit = spec.max_length_tokens or recipe.max_length_tokens
    cost = estimate(
        ModelShape.of(config),
        recipe,
        tokens=tokens * run.n_epochs,
        micro_batch_tokens=run.micro_batch_rows * min(longest, limit) * (2 if spec.method is Method.DPO else 1),
        method=spec.method,
        adapter=spec.adapter,
        device=spec.device,
        rank=spec.lora_rank,
        experts=spec.lora_experts,
        workers=spec.workers,
    )
    return Plan(run, cost)


def _measure(path: Path, method: Method) -> tuple[int, int, int]:
    """Rows, their tokens, and those of the longest, by the size of their text."""
    count = tokens = longest = 0
    for number, _, text in rows.lines(path):
        size_bytes = len(text)
        if method is Method.SUPERVISED:
            # Base64 is four characters for three bytes.
            size_bytes -= sum(len(image) * 4 // 3 for image in rows.supervised(number, text).images)
        else:
            rows.preference(number, text)
        found = tokens_of(size_bytes)
        count, tokens, longest = count + 1, tokens + found, max(longest, found)
    return count, tokens, longest
