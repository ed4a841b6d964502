from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster.tuning.recipes.qwen3 import RECIPE
from cluster.tuning.training.hyperparameters import Resolved, resolve
from cluster.tuning.training.spec import Adapter, Hyperparameters, Method


def resolved(rows: int, workers: int = 1, **asked: float) -> Resolved:
    return resolve(
        Hyperparameters.model_validate(asked),
        rows=rows,
        recipe=RECIPE,
        method=Method.SUPERVISED,
        adapter=Adapter.LORA,
        workers=workers,
    )


@pytest.mark.parametrize(
    ("rows", "n_epochs", "batch_size"),
    [(1, 10, 1), (3, 10, 3), (10, 10, 4), (60, 5, 4), (100, 3, 4), (500, 3, 10), (800, 3, 16), (8_333, 3, 16), (20_000, 1, 16)],
)
def test_auto_follows_the_size_of_the_file(rows: int, n_epochs: int, batch_size: int) -> None:
    found = resolved(rows)
    assert (found.n_epochs, found.batch_size) == (n_epochs, batch_size)


def test_the_rate_grows_with_the_root_of_the_batch() -> None:
    assert resolved(800).learning_rate == pytest.approx(RECIPE.lora_rate)
    assert resolved(800, batch_size=64).learning_rate_multiplier == pytest.approx(2.0)
    assert resolved(800, learning_rate_multiplier=0.5).learning_rate == pytest.approx(RECIPE.lora_rate / 2)


def test_preferences_and_whole_models_learn_slower() -> None:
    def rate(method: Method, adapter: Adapter) -> float:
        return resolve(Hyperparameters(), rows=800, recipe=RECIPE, method=method, adapter=adapter).learning_rate

    assert rate(Method.DPO, Adapter.LORA) < rate(Method.SUPERVISED, Adapter.LORA)
    assert rate(Method.SUPERVISED, Adapter.FULL) < rate(Method.SUPERVISED, Adapter.LORA)


@given(rows=st.integers(1, 100_000), workers=st.integers(1, 8), batch_size=st.integers(1, 256), n_epochs=st.integers(1, 50))
def test_a_batch_is_its_parts(rows: int, workers: int, batch_size: int, n_epochs: int) -> None:
    found = resolved(rows, workers, batch_size=batch_size, n_epochs=n_epochs)
    assert found.batch_size == found.micro_batch_rows * found.accumulation * workers
    assert found.micro_batch_rows <= RECIPE.micro_batch_rows
    assert 0 <= found.batch_size - min(batch_size, rows) < workers
    assert found.total_steps == n_epochs * found.steps_per_epoch
    assert (found.steps_per_epoch - 1) * found.batch_size < rows <= found.steps_per_epoch * found.batch_size


@pytest.mark.parametrize(
    "asked", [{"n_epochs": 0}, {"batch_size": 257}, {"beta": 0}, {"learning_rate_multiplier": -1}, {"epochs": 3}]
)
def test_numbers_out_of_range_are_refused(asked: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Hyperparameters.model_validate(asked)
