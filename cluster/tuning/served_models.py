"""Of the models that this cluster serves, those that it can tune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster.config.schema import ModelSettings
from cluster.identity.principal import Principal
from cluster.tuning.recipes import catalog
from cluster.tuning.rows.parse import Method
from cluster.tuning.trainer import BaseModel
from cluster.tuning.training.errors import UnsupportedModel


class ServedModels:
    """A :class:`~cluster.tuning.models.BaseModels`: served models that take adapters and that there is a recipe for."""

    def __init__(self, models: Sequence[ModelSettings]) -> None:
        """Reads each model's ``config.json``: to be made at start."""
        self._models = {model.id: (model.organization, base) for model in models if (base := _base(model)) is not None}

    def find(self, principal: Principal, model_id: str) -> BaseModel | None:
        organization, base = self._models.get(model_id, (None, None))
        return base if organization in (None, principal.org_id) else None


def _base(model: ModelSettings) -> BaseModel | None:
    try:
        recipe = catalog.recipe_of(Path(model.source), None)
    except (UnsupportedModel, OSError, ValueError):
        # No folder, or none with a configuration that can be read: it may be served, and can't be tuned.
        return None
    if not model.adapters.enabled:
        return None
    return BaseModel(
        id=model.id,
        source=model.source,
        takes_images=recipe.images is not None,
        serial_calls=not recipe.parallel_tool_calls,
        max_rank=min(recipe.lora_rank, model.adapters.max_rank),
        methods=frozenset(Method) if recipe.images is None else frozenset({Method.SUPERVISED}),
    )
