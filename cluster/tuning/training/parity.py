"""Whether a served adapter is the one that was trained: log-probabilities of held-out rows, told by both sides.

The training framework scores each completion's tokens with the base and with the tuned weights (``loop/probe.py``), the serving
engine scores the same tokens with the adapter. Distances are means over all tokens of absolute differences, in nats::

    effect = |tuned - base|    off = |served - tuned|    from_base = |served - base|

An engine that dropped the adapter answers as the base: ``off`` ~ ``effect``. One that loaded a part of it is somewhere between. One
that loaded it is off by rounding alone (bfloat16 against float32: 0.01 to 0.05 nats in what was measured), so that the allowance is
0.05 nats or a quarter of the effect, whichever is more, and the base must be farther than the tuned.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: What a run leaves of its own scores in its ``output_dir``.
FILE = "parity.json"
#: Below this, tuning has changed nothing that could be told from rounding.
LEAST_EFFECT_NATS = 0.02
ALLOWED_NATS = 0.05
ALLOWED_SHARE = 0.25


class Scored(BaseModel):
    """A row's tokens, and the log-probability of each from ``prompt_tokens`` on, in nats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: list[int]
    prompt_tokens: Annotated[int, Field(ge=1)]
    log_probabilities: list[float]

    @model_validator(mode="after")
    def _check(self) -> Scored:
        if len(self.log_probabilities) != len(self.ids) - self.prompt_tokens or not self.log_probabilities:
            raise ValueError("each token after the prompt has one log-probability")
        return self


class Scores(BaseModel):
    """What one side says; JSON by ``model_dump_json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: Annotated[list[Scored], Field(min_length=1)]


class Trained(BaseModel):
    """What the training framework says of its base and of what it has made of it.

    ``saved``: of the whole model that it has left, loaded again; ``None`` for an adapter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Scores
    tuned: Scores
    saved: Scores | None = None

    def write(self, output_dir: Path) -> Path:
        """Leave it in a run's folder, whole."""
        fresh = output_dir / f".{FILE}"
        fresh.write_text(self.model_dump_json() + "\n")
        os.replace(fresh, output_dir / FILE)
        return output_dir / FILE

    @classmethod
    def read(cls, path: Path) -> Trained:
        """What :meth:`write` has left. Raises ``OSError``, and ``ValueError`` for another file."""
        return cls.model_validate_json(path.read_text())

    def only(self, places: Sequence[int]) -> Trained:
        """Of these rows alone, of which there is at least one."""
        base, tuned = ([side.rows[place] for place in places] for side in (self.base, self.tuned))
        return Trained(base=Scores(rows=base), tuned=Scores(rows=tuned))


class Reason(StrEnum):
    """Why an adapter is, or isn't, published."""

    SAME_AS_TUNED = "same_as_tuned"
    NO_EFFECT = "no_effect"
    EQUAL_TO_BASE = "equal_to_base"
    APART_FROM_TUNED = "apart_from_tuned"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Distances are in nats a token."""

    reason: Reason
    effect: float
    off: float
    from_base: float

    @property
    def accepted(self) -> bool:
        return self.reason is Reason.SAME_AS_TUNED

    def describe(self, who: str = "The serving engine") -> str:
        """One sentence for the job's events. ``who``: was compared."""
        distances = f"{self.off:.3f} nats a token from the tuned weights, {self.from_base:.3f} from the base"
        return {
            Reason.SAME_AS_TUNED: f"{who} answers as the tuned model: {distances}.",
            Reason.NO_EFFECT: f"Tuning changed the model by {self.effect:.3f} nats a token: too little to tell it from its base.",
            Reason.EQUAL_TO_BASE: f"{who} answers as the base, without what was trained: {distances}.",
            Reason.APART_FROM_TUNED: f"{who} answers neither as the tuned model nor as its base: {distances}.",
        }[self.reason]


def judge(base: Scores, tuned: Scores, served: Scores) -> Verdict:
    """Compare the three.

    Raises:
        ValueError: they are not of the same rows and tokens.
    """
    if not _tokens(base) == _tokens(tuned) == _tokens(served):
        raise ValueError("the scores are of different rows")
    effect, off, from_base = _distance(tuned, base), _distance(served, tuned), _distance(served, base)
    if not all(map(math.isfinite, (effect, off, from_base))):
        reason = Reason.APART_FROM_TUNED
    elif effect < LEAST_EFFECT_NATS:
        reason = Reason.NO_EFFECT
    elif off <= max(ALLOWED_NATS, ALLOWED_SHARE * effect) and off < from_base:
        reason = Reason.SAME_AS_TUNED
    else:
        reason = Reason.EQUAL_TO_BASE if from_base <= off else Reason.APART_FROM_TUNED
    return Verdict(reason, effect, off, from_base)


def _tokens(scores: Scores) -> list[tuple[list[int], int]]:
    return [(row.ids, row.prompt_tokens) for row in scores.rows]


def _distance(left: Scores, right: Scores) -> float:
    pairs = [pair for a, b in zip(left.rows, right.rows, strict=True) for pair in _pairs(a.log_probabilities, b.log_probabilities)]
    return sum(abs(a - b) for a, b in pairs) / len(pairs)


def _pairs(left: Sequence[float], right: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(left, right, strict=True))
