"""The file of results that a job leaves: a line of CSV for each step of the training."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any, Final

FILENAME: Final = "step_metrics.csv"
_COLUMNS: Final = {
    "step": "step",
    "train_loss": "train_loss",
    "train_accuracy": "train_mean_token_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}
"""OpenAI's columns, and the names that the figures have in events."""


def result_csv(steps: Iterable[Mapping[str, Any]]) -> bytes:
    """Figures that a step doesn't have are left empty."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for figures in steps:
        writer.writerow(["" if (value := figures.get(name)) is None else value for name in _COLUMNS.values()])
    return text.getvalue().encode()
