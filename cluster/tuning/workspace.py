"""A job's folder: the rows that it trains on, and what the training leaves. All nodes that train must see it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.jobs.model import Job


@dataclass(frozen=True, slots=True)
class Workspace:
    """Methods block: for threads."""

    root: Path

    @classmethod
    def of(cls, work_dir: Path, job: Job) -> Workspace:
        """Both parts of the path are ids of the cluster's own making."""
        return cls(work_dir / job.organization_id / job.id)

    @property
    def training_rows(self) -> Path:
        return self.root / "training.jsonl"

    @property
    def validation_rows(self) -> Path:
        return self.root / "validation.jsonl"

    @property
    def output(self) -> Path:
        return self.root / "output"

    def drop_rows(self) -> None:
        """The rows, images included, when nobody will train on them any more. Idempotent."""
        for path in (self.training_rows, self.validation_rows):
            with suppress(FileNotFoundError):
                path.unlink()

    def drop(self) -> None:
        """Everything. Idempotent."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.root)

    def add_metrics(self, figures: Mapping[str, Any], validated: bool) -> None:
        """Take note of a step's figures; a step is noted again when it was validated, and the later figures count."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self._metrics.open("ab") as file:
            # A line break first: what a dead process has begun must not run into it.
            file.write(b"\n" + json.dumps({**figures, "validated": validated}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def noted_metrics(self) -> set[tuple[int, bool]]:
        """Step, and whether it was validated, of all that is noted."""
        return {(figures["step"], figures["validated"]) for figures in self._lines()}

    def metrics(self) -> list[dict[str, Any]]:
        """All steps' figures, in order."""
        steps = {figures["step"]: figures for figures in self._lines()}
        return [steps[step] for step in sorted(steps)]

    def _lines(self) -> list[dict[str, Any]]:
        try:
            lines = self._metrics.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        whole: list[dict[str, Any]] = []
        for line in filter(None, lines):
            with suppress(ValueError):  # what a dead process has not written to its end
                whole.append(json.loads(line))
        return whole

    @property
    def _metrics(self) -> Path:
        return self.root / "metrics.jsonl"
