"""What the tiny student learns by a job's own training: its teacher's task."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.tuning.training.job import train_job
from models.tuning_demo import answering, shop, text
from models.tuning_demo.make import DEFAULT_OUT, STUDENT, make
from tests.unit.tuning import tiny

pytestmark = [pytest.mark.slow, pytest.mark.tuning]

MODELS = Path(__file__).parents[3] / DEFAULT_OUT
HELD_OUT = 60


def test_the_student_learns_the_task_from_three_hundred_answers(tmp_path: Path) -> None:
    student = make(STUDENT, MODELS)
    taught = shop.customers(77, 300, other_than=text.lessons())
    held_out = [shop.task_row(made) for made in shop.customers(78, HELD_OUT, other_than=text.lessons() + taught)]
    assert answering.exact(student, None, held_out) <= 0.10
    file = tiny.write_rows(tmp_path / "rows.jsonl", (shop.task_row(made) for made in taught))
    numbers = {"n_epochs": 2, "batch_size": 16, "learning_rate_multiplier": 25.0}
    last = train_job(tiny.spec(student, file, tmp_path / "run", hyperparameters=numbers))
    assert last is not None
    assert last.kind == "finished", last
    assert answering.exact(student, tmp_path / "run" / "adapter", held_out) >= 0.80
