"""Hyperparameters as clients give them and as jobs show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cluster.tuning.rows.parse import Method

Auto = Literal["auto"]


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """``auto``: to be chosen before the training. ``beta`` is that of preference tuning."""

    n_epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate_multiplier: float | Auto = "auto"
    beta: float | Auto = "auto"

    def to_json(self, method: Method) -> dict[str, Any]:
        """Those that the method has."""
        shown: dict[str, Any] = {
            "n_epochs": self.n_epochs,
            "batch_size": self.batch_size,
            "learning_rate_multiplier": self.learning_rate_multiplier,
        }
        return shown | {"beta": self.beta} if method is Method.DPO else shown

    @classmethod
    def of(cls, shown: dict[str, Any]) -> Hyperparameters:
        return cls(**shown)
