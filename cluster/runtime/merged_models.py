"""Tuned models with weights of their own join the cluster's models when it starts: each with engines like those of its base.

They come from the registry, not from the configuration, so that their owners can have them without its operator's help, within
``tuned_models.max_merged_models``. The cluster never waits for them: one that can't start (no GPU is left, its files are gone) is
not served, and nothing else suffers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import AdapterSettings, ModelSettings
from cluster.errors import StoreUnavailable
from cluster.runtime.preparation import StartError
from cluster.store.database import Database
from cluster.tuned.model import TunedModel
from cluster.tuned.repository import TunedModelRepository


@dataclass(frozen=True, slots=True)
class Joined:
    """``config`` with the merged models among its models. ``left_out``: a sentence for each that is not."""

    config: ClusterConfig
    left_out: list[str]


async def join_merged(config: ClusterConfig) -> Joined:
    """Read the registry of a prepared configuration, whose database is up to date. Raises :class:`StartError`."""
    limit = config.tuned_models.max_merged_models
    if not limit:
        return Joined(config, [])
    assert config.database.url is not None, "a prepared configuration names its database"
    try:
        database = Database.open(config.database.url.get_secret_value(), config.database)
        try:
            found = await TunedModelRepository(database).merged(limit)
        finally:
            await database.close()
    except (StoreUnavailable, ValueError) as error:
        raise StartError(f"database: {error}") from error
    return joined(config, found)


def joined(config: ClusterConfig, merged: Iterable[TunedModel]) -> Joined:
    """Settings for each of the merged models whose base its owner may use."""
    bases = {model.id: model for model in config.models}
    models, left_out = list(config.models), []
    for model in merged:
        base = bases.get(model.base_model)
        if base is None or base.organization not in (None, model.org_id):
            left_out.append(
                f"the tuned model {model.name} is not served: there is no model {model.base_model} for its organization."
            )
        else:
            models.append(settings_of(model, base))
    return Joined(config.model_copy(update={"models": models}), left_out)


def settings_of(model: TunedModel, base: ModelSettings) -> ModelSettings:
    """Engines like the base's, one replica of them, for the owner alone."""
    assert model.weights is not None, "a merged model has weights"
    return base.model_copy(
        update={
            "id": model.name,
            "source": model.weights.source,
            "organization": model.org_id,
            "owned_by": model.org_id,
            "created": model.created_at,
            "adapters": AdapterSettings(),
            "replicas": 1,
            "autoscaling": None,
        }
    )
