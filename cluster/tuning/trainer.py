"""What a fine-tuning job asks of whoever trains and of whoever serves the result.

A job's run may end at any line, with its process, and begin again: both parts find out by themselves, from ``output_dir`` and from
the job's id, what was done before, and go on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cluster.identity.principal import Principal
from cluster.tuning.hyperparameters import Hyperparameters
from cluster.tuning.rows.parse import Method


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A served model that can be tuned. ``source``: folder or repository with its weights.

    ``takes_images``: trained on images as well. ``serial_calls``: its chat template writes one call of a tool a message.
    ``methods``: how it can be tuned. ``max_rank``: of the adapters that are trained on it. ``every_weight``: is trained, and no
    adapter. ``experts``: adapters go on a mixture's experts too. ``merged_because``: why its engines can't load what is trained;
    empty: they can.
    """

    id: str
    source: str
    takes_images: bool = False
    serial_calls: bool = False
    methods: frozenset[Method] = frozenset(Method)
    max_rank: int = 16
    every_weight: bool = False
    experts: bool = False
    merged_because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """One training. ``training_rows``, ``validation_rows``: JSON lines of :mod:`cluster.tuning.rows.row`.

    ``output_dir`` is this job's alone. ``template_variables`` are handed to the chat template: the date that it may write is that
    of the job's creation, so that a training which goes on tomorrow reads the same prompts.
    """

    job_id: str
    method: Method
    base: BaseModel
    training_rows: Path
    validation_rows: Path | None
    output_dir: Path
    hyperparameters: Hyperparameters
    seed: int
    template_variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """``characters``: of the training rows, as JSON, without images."""

    rows: int
    characters: int
    images: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Before the start. ``hyperparameters``: with every ``auto`` resolved. ``seconds``, ``memory_bytes``: unknown where ``None``.

    ``memory_bytes`` is that of each device; ``fits``: whether there is as much. ``description``: a sentence for the job's owner.
    """

    hyperparameters: Hyperparameters
    total_steps: int
    tokens: int
    seconds: float | None
    memory_bytes: int | None
    description: str = ""
    fits: bool = True


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """After a step of the optimizer. ``full_valid_*``: over the whole validation file, at the end of an epoch."""

    step: int
    total_steps: int
    train_loss: float
    train_mean_token_accuracy: float | None = None
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class TrainedCheckpoint:
    """Weights at the end of an epoch, whole and durable in ``path``."""

    step: int
    path: Path
    metrics: StepMetrics


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """``path``: the final weights. ``trained_tokens``: all that were passed through the model to be learned, over all epochs.

    ``scores``: file in which the trainer left what it makes of held-out rows (:class:`cluster.tuning.training.parity.Trained`).
    """

    path: Path
    step: int
    trained_tokens: int
    scores: Path | None = None


class TrainingFailed(Exception):
    """The training can't come to its end; trying again would not help. ``message`` is for the job's owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TrainingStopped(Exception):
    """It has left off because it was asked to; what it had done is kept, and the next call goes on from there."""


OnMetrics = Callable[[StepMetrics], Awaitable[None]]
OnCheckpoint = Callable[[TrainedCheckpoint], Awaitable[None]]


class Trainer(Protocol):
    async def estimate(self, spec: TrainingSpec, counts: RowCounts) -> Estimate:
        """What the training will come to. Raises :class:`TrainingFailed` where it can't be done here."""
        ...

    async def train(
        self, spec: TrainingSpec, on_metrics: OnMetrics, on_checkpoint: OnCheckpoint, stopping: asyncio.Event
    ) -> TrainingResult:
        """Train to the end, from the last checkpoint if there is one; give what is there, if it was trained to the end before.

        Steps that an earlier call was told of may be told of again. Raises :class:`TrainingStopped` soon after ``stopping`` is set,
        with the training stopped; :class:`TrainingFailed`; anything else for what may go better next time. To cancel the call
        without ``stopping`` set leaves the training as it is, for the next call to find.
        """
        ...


@dataclass(frozen=True, slots=True)
class Publication:
    """Weights to be served as a model ``name`` of the principal's organization. ``step``: of a checkpoint; ``None``: the result.

    ``scores``: see :class:`TrainingResult`. ``merged_because``: see :class:`BaseModel`; where it says why, the weights are whole.
    """

    principal: Principal
    job_id: str
    name: str
    path: Path
    step: int | None = None
    scores: Path | None = None
    merged_because: tuple[str, ...] = ()


class Say(Protocol):
    async def __call__(self, message: str, *, data: Mapping[str, Any] | None = None, key: str | None = None) -> None:
        """Write an event into the job's log, once for each ``key``; without one, once for each message."""
        ...


class Publisher(Protocol):
    async def check_room(self, principal: Principal, base: BaseModel) -> None:
        """Before anything is trained. Raises :class:`TrainingFailed` where the result could not be kept."""
        ...

    async def publish(self, publication: Publication, say: Say) -> None:
        """The model is its organization's when this returns, and an adapter can be asked for by its name.

        Idempotent, and may be cancelled. Raises :class:`TrainingFailed` for weights that must not be served; then nothing of them
        is left that could be.
        """
        ...
