"""What can go wrong in a training run, by the code that its ``failed`` event carries."""

from __future__ import annotations

from typing import ClassVar


class TrainingError(Exception):
    """Base of the failures that a job's owner is told about. Whatever is not one is a defect, told as ``internal_error``."""

    code: ClassVar[str] = "training_failed"
    #: Whether trying again from the last checkpoint can help.
    may_retry: ClassVar[bool] = False


class InvalidRow(TrainingError):
    """A row of a training or validation file can't be trained on. ``line`` counts from 1."""

    code = "invalid_training_row"

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class NothingToTrain(TrainingError):
    """The file has no row that fits into the model's context."""

    code = "no_trainable_rows"


class UnsupportedModel(TrainingError):
    """No recipe for this model, or the recipe can't do what the spec asks for."""

    code = "unsupported_model"


class Diverged(TrainingError):
    """The loss is no finite number any more."""

    code = "training_diverged"


class RunIsActive(TrainingError):
    """Another process trains this job at this moment."""

    code = "run_is_active"
    may_retry = True


class ExtraMissing(TrainingError):
    """The packages of the extra ``tuning`` are not installed here."""

    code = "tuning_not_installed"
