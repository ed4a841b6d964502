"""Which models can be tuned here, and why others can't."""

from __future__ import annotations

from typing import Protocol

from cluster.identity.principal import Principal
from cluster.tuning.trainer import BaseModel


class BaseModels(Protocol):
    """The models that this cluster can tune."""

    def find(self, principal: Principal, model_id: str) -> BaseModel | None:
        """``None`` for what can't be tuned, is not served, or not to this caller: the three are not told apart."""
        ...
