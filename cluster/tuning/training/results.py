"""A run's result file: a line of CSV for each step, as fine-tuning jobs give it to their owners."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from cluster.tuning.training.events import Event, read

FILE = "step_metrics.csv"
_COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")


def as_csv(events: Iterable[Event]) -> str:
    """Steps in order; those of an epoch's end have its validation too."""
    by_step: dict[int, dict[str, object]] = {}
    for event in events:
        if event.kind == "step":
            line = by_step.setdefault(event.fields["step"], {})
            line |= {"train_loss": event.fields["train_loss"], "train_accuracy": event.fields["train_mean_token_accuracy"]}
        elif event.kind == "validation":
            line = by_step.setdefault(event.fields["step"], {})
            line |= {name: event.fields[name] for name in ("valid_loss", "valid_mean_token_accuracy")}
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({"step": step, **by_step[step]} for step in sorted(by_step))
    return out.getvalue()


def write(output_dir: Path) -> Path:
    """Write the result file of what the run has said so far."""
    fresh = output_dir / f".{FILE}"
    fresh.write_text(as_csv(read(output_dir)))
    os.replace(fresh, output_dir / FILE)
    return output_dir / FILE
