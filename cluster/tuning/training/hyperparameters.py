"""What ``auto`` means, and what a run's numbers come to. Nothing here depends on time, machine or chance.

========================  =============================================================================================
``n_epochs``              3; more for small files, so that a row is seen often enough for 300 row passes in all (at most
                          10 epochs), fewer for large ones, so that there are at most 25,000 (at least one epoch)
``batch_size``            a 50th of the rows, at least 4 and at most 16, never more than there are rows
``learning_rate``         the recipe's rate for the method and the adapter, times the multiplier;
                          ``learning_rate_multiplier`` = sqrt(batch size / 16)
``beta``                  0.1
warm-up                   3 % of the steps, at least one; then linear to zero
========================  =============================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cluster.tuning.recipes.recipe import Recipe
from cluster.tuning.training.spec import Adapter, Hyperparameters, Method

_EPOCHS, _MAX_EPOCHS = 3, 10
_MIN_ROW_PASSES, _MAX_ROW_PASSES = 300, 25_000
_STEPS_AN_EPOCH = 50
_MIN_BATCH_ROWS, _MAX_BATCH_ROWS = 4, 16
_BETA = 0.1
_WARM_UP_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Resolved:
    """A run in numbers. ``batch_size`` = ``micro_batch_rows`` x ``accumulation`` x workers."""

    n_epochs: int
    batch_size: int
    micro_batch_rows: int
    accumulation: int
    learning_rate_multiplier: float
    learning_rate: float
    beta: float
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int


def resolve(asked: Hyperparameters, *, rows: int, recipe: Recipe, method: Method, adapter: Adapter, workers: int = 1) -> Resolved:
    """Turn what was asked for into the numbers of a run over ``rows`` rows.

    A batch size that ``workers`` doesn't divide is raised to the next that it does.

    Raises:
        ValueError: there are no rows.
    """
    if rows < 1:
        raise ValueError("a run needs at least one row")
    n_epochs = _auto_epochs(rows) if asked.n_epochs == "auto" else asked.n_epochs
    batch = _auto_batch(rows) if asked.batch_size == "auto" else min(asked.batch_size, rows)
    per_worker = math.ceil(batch / workers)
    micro = max(size for size in range(1, per_worker + 1) if per_worker % size == 0 and size <= recipe.micro_batch_rows)
    batch = per_worker * workers
    multiplier = asked.learning_rate_multiplier
    if multiplier == "auto":
        multiplier = math.sqrt(batch / _MAX_BATCH_ROWS)
    steps_per_epoch = math.ceil(rows / batch)
    total_steps = steps_per_epoch * n_epochs
    return Resolved(
        n_epochs=n_epochs,
        batch_size=batch,
        micro_batch_rows=micro,
        accumulation=per_worker // micro,
        learning_rate_multiplier=multiplier,
        learning_rate=recipe.learning_rate(method, adapter) * multiplier,
        beta=_BETA if asked.beta == "auto" else asked.beta,
        steps_per_epoch=steps_per_epoch,
        total_steps=total_steps,
        warmup_steps=max(1, round(total_steps * _WARM_UP_SHARE)),
    )


def _auto_epochs(rows: int) -> int:
    if rows * _EPOCHS < _MIN_ROW_PASSES:
        return min(_MAX_EPOCHS, math.ceil(_MIN_ROW_PASSES / rows))
    if rows * _EPOCHS > _MAX_ROW_PASSES:
        return max(1, _MAX_ROW_PASSES // rows)
    return _EPOCHS


def _auto_batch(rows: int) -> int:
    return min(rows, max(_MIN_BATCH_ROWS, min(_MAX_BATCH_ROWS, rows // _STEPS_AN_EPOCH)))
