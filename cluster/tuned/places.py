"""Where the files of tuned models are, for gateways and engine replicas alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster.config.schema import ClusterConfig


@dataclass(frozen=True, slots=True)
class TunedPlaces:
    """Of a prepared configuration, so that paths are absolute.

    ``default_folder`` is the store where ``storage_url`` names none; ``cache_folder`` is each node's own.
    """

    storage_url: str | None
    default_folder: Path
    cache_folder: Path

    @classmethod
    def of(cls, config: ClusterConfig) -> TunedPlaces:
        settings = config.tuned_models
        cache = settings.cache_dir if settings.cache_dir is not None else config.data_dir / "adapters"
        return cls(settings.storage_url, config.data_dir / "tuned-models", cache)
