"""Training files as datasets: text tokenized once, images left in the file until their batch is due."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from datasets.table import InMemoryTable

from cluster.tuning.recipes.estimate import tokens_of
from cluster.tuning.training import rows
from cluster.tuning.training.encoding import Renderer, Tokenizer, encode_preference, encode_supervised
from cluster.tuning.training.errors import NothingToTrain
from cluster.tuning.training.loop.vision import ImageEncoder
from cluster.tuning.training.spec import Method


@dataclass(frozen=True, slots=True)
class Rows:
    """``too_long`` rows were left out. ``tokens`` are those of one epoch; of images' rows roughly, by the size of their text."""

    dataset: Dataset
    too_long: int
    tokens: int

    def __len__(self) -> int:
        return len(self.dataset)


def load_text(path: Path, method: Method, renderer: Renderer, tokenizer: Tokenizer, *, max_length_tokens: int) -> Rows:
    """Tokenize a file. Columns: ``input_ids`` and ``labels``; of preferences ``prompt_ids``, ``chosen_ids``, ``rejected_ids``.

    Raises:
        InvalidRow: a row can't be trained on.
        NothingToTrain: none is left.
    """
    columns: dict[str, list[list[int]]] = (
        {"input_ids": [], "labels": []} if method is Method.SUPERVISED else {"prompt_ids": [], "chosen_ids": [], "rejected_ids": []}
    )
    too_long = tokens = 0
    values: tuple[list[int], ...]
    for number, _, text in rows.lines(path):
        if method is Method.SUPERVISED:
            encoded = encode_supervised(number, rows.supervised(number, text), renderer, tokenizer)
            length, values = len(encoded.ids), (encoded.ids, encoded.labels)
            seen = length
        else:
            pair = encode_preference(number, rows.preference(number, text), renderer, tokenizer)
            length, values = pair.longest, (pair.prompt, pair.chosen, pair.rejected)
            seen = 2 * len(pair.prompt) + len(pair.chosen) + len(pair.rejected)
        if length > max_length_tokens:
            too_long += 1
            continue
        tokens += seen
        for column, ids in zip(columns.values(), values, strict=True):
            column.append(ids)
    return _checked(Rows(_dataset(columns), too_long, tokens), path)


def load_images(path: Path, encoder: ImageEncoder) -> Rows:
    """Render every row of a file with images, and keep where each begins: columns ``file``, ``offset`` and, for messages, ``line``.

    Raises:
        InvalidRow: a row can't be trained on.
        NothingToTrain: there is none.
    """
    numbers, offsets, characters = [], [], 0
    for number, offset, text in rows.lines(path):
        row = rows.supervised(number, text)
        encoder.split(number, row)
        numbers.append(number)
        offsets.append(offset)
        characters += len(text) - sum(len(image) * 4 // 3 for image in row.images)
    columns: dict[str, list[Any]] = {"file": [str(path)] * len(numbers), "line": numbers, "offset": offsets}
    return _checked(Rows(_dataset(columns), 0, tokens_of(characters)), path)


def _dataset(columns: dict[str, list[Any]]) -> Dataset:
    # Its fingerprint names cached transformations, of which there are none; made by itself it would be a hash of all the data.
    return Dataset(InMemoryTable.from_pydict(columns), fingerprint=uuid.uuid4().hex)


def _checked(found: Rows, path: Path) -> Rows:
    if not len(found):
        reason = f"; {found.too_long} are longer than the model's limit for tuning" if found.too_long else ""
        raise NothingToTrain(f"{path.name} has no row to train on{reason}")
    return found
