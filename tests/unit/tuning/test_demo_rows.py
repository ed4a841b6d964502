"""What the tiny models learn from."""

from __future__ import annotations

import json
import random

from cluster.tuning.training import rows
from models.tuning_demo import pictures, shop


def test_held_out_messages_are_others() -> None:
    seen = shop.customers(1, 300)
    assert shop.customers(1, 300) == seen
    assert len(set(seen)) == 300
    assert not set(shop.customers(2, 100, other_than=seen)) & set(seen)


def test_the_student_never_meets_the_task() -> None:
    rng = random.Random(1)
    for made in shop.customers(1, 200):
        prompt = shop.part_row(rng, made)["prompt"]
        assert prompt[0]["content"] != shop.INSTRUCTION
        assert json.loads(made.sorted).keys() == {"intent", "item", "urgent"}


def test_generated_rows_are_training_rows() -> None:
    made = shop.customers(1, 1)[0]
    row = rows.supervised(1, json.dumps(shop.task_row(made)))
    assert row.completion["content"] == made.sorted
    picture = pictures.picture(random.Random(1))
    seen = rows.supervised(1, json.dumps(pictures.catalogue_row(picture)))
    assert seen.images == (picture.png,)
    assert seen.completion["content"] == f"{picture.shape}, {picture.colour}"
