"""Teacher and student: two tiny Qwen3, trained from nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.tuning.training import rows
from cluster.tuning.training.encoding import Renderer, encode_supervised
from models.tuning_demo import learning, shapes, shop, vocabulary

SEED = 20_260_101
BATCH_ROWS = 16
TEACHER_STEPS, STUDENT_STEPS = 120, 140
#: Of the corpus that both vocabularies are made of, and of the messages that the teacher learns from.
_CORPUS, _LESSONS = 300, 2000

NextRow = Callable[[random.Random], dict[str, Any]]


def tokenizer() -> Any:
    """The same for both: the student learns from the teacher's words."""
    return vocabulary.build(shop.corpus(SEED, _CORPUS))


def lessons() -> tuple[shop.Customer, ...]:
    """The messages that models have seen. Held-out ones are others: ``shop.customers(seed, n, other_than=lessons())``."""
    return shop.customers(SEED, _LESSONS)


def fill_teacher(folder: Path, *, steps: int = TEACHER_STEPS, log: Callable[[int, float], None] | None = None) -> float:
    """Write the teacher into ``folder``; return its last loss. It knows the task, and the parts too."""
    seen = lessons()

    def next_row(rng: random.Random) -> dict[str, Any]:
        made = rng.choice(seen)
        return shop.task_row(made) if rng.random() < 0.75 else shop.part_row(rng, made)

    return _fill(folder, next_row, steps=steps, seed=SEED + 1, log=log)


def fill_student(folder: Path, *, steps: int = STUDENT_STEPS, log: Callable[[int, float], None] | None = None) -> float:
    """Write the student into ``folder``; return its last loss. It knows the parts alone."""
    seen = lessons()
    return _fill(folder, lambda rng: shop.part_row(rng, rng.choice(seen)), steps=steps, seed=SEED + 2, log=log)


def _fill(folder: Path, next_row: NextRow, *, steps: int, seed: int, log: Callable[[int, float], None] | None) -> float:
    import torch

    torch.set_num_threads(1)
    words = tokenizer()
    renderer = Renderer(words, {})
    rng = random.Random(seed)
    model = shapes.make_text_model("qwen3", words, seed=seed)

    def batch(step: int) -> learning.Batch:
        del step
        encoded = []
        for _ in range(BATCH_ROWS):
            row = next_row(rng)
            one = encode_supervised(1, rows.SupervisedRow(row["prompt"], row["completion"][0], None), renderer, words)
            encoded.append((one.ids, one.labels))
        return learning.padded(encoded, words.pad_token_id)

    loss = learning.learn(model, batch, steps=steps, log=log)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return loss
