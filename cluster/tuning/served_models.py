"""Of the models that this cluster serves, those that it can tune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster.config.settings.models import ModelSettings
from cluster.identity.principal import Principal
from cluster.tuned.names import is_tuned
from cluster.tuning.recipes import catalog
from cluster.tuning.recipes.recipe import Recipe
from cluster.tuning.rows.parse import Method
from cluster.tuning.serving_form import Trained, why_merged, why_unmergeable
from cluster.tuning.trainer import BaseModel
from cluster.tuning.training.errors import UnsupportedModel
from cluster.tuning.training.spec import Adapter


class ServedModels:
    """A :class:`~cluster.tuning.models.BaseModels`: those that there is a recipe for, and whose tuned ones can be served."""

    def __init__(self, models: Sequence[ModelSettings], *, merging: bool = False) -> None:
        """Reads each model's ``config.json``: to be made at start.

        ``merging``: results that can't be adapters may become models of their own.
        """
        found = {model.id: (model.organization, _base(model, merging)) for model in models if not is_tuned(model.id)}
        self._models = {model_id: (organization, base) for model_id, (organization, base) in found.items() if base is not None}

    def find(self, principal: Principal, model_id: str) -> BaseModel | None:
        organization, base = self._models.get(model_id, (None, None))
        return base if organization in (None, principal.org_id) else None


def _base(model: ModelSettings, merging: bool) -> BaseModel | None:
    try:
        recipe = catalog.recipe_of(Path(model.source), None)
    except (UnsupportedModel, OSError, ValueError):
        # No folder, or none with a configuration that can be read: it may be served, and can't be tuned.
        return None
    every_weight = model.tuning.weights == "full"
    rank = _rank(model, recipe)
    experts = model.tuning.experts and bool(recipe.expert_parameters)
    merged_because = why_merged(Trained(rank, every_weight=every_weight, experts=experts), model)
    if merged_because and (not merging or why_unmergeable(model) is not None):
        return None
    if every_weight and not recipe.gpus_for(Adapter.FULL):
        return None
    return BaseModel(
        id=model.id,
        source=model.source,
        takes_images=recipe.images is not None,
        serial_calls=not recipe.parallel_tool_calls,
        max_rank=rank,
        methods=frozenset(Method) if recipe.images is None else frozenset({Method.SUPERVISED}),
        every_weight=every_weight,
        experts=experts,
        merged_because=merged_because,
    )


def _rank(model: ModelSettings, recipe: Recipe) -> int:
    if model.tuning.rank is not None:
        return model.tuning.rank
    return min(recipe.lora_rank, model.adapters.max_rank) if model.adapters.enabled else recipe.lora_rank
