"""What the admin API tells of the cluster: models, their replicas, the gateway that answered."""

from __future__ import annotations

from cluster import __version__
from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import ModelSettings
from cluster.edges.readiness import ModelReadiness
from cluster.identity.principal import Principal
from cluster.speech.remote import Catalogue


class ClusterStatus:
    def __init__(self, config: ClusterConfig, readiness: ModelReadiness, gateway: str, speech: Catalogue | None) -> None:
        """``speech``: what the speech deployment can do; ``None`` where there is none."""
        self._speech = speech
        self._config = config
        self._readiness = readiness
        self._gateway = gateway

    async def report(self, admin: Principal) -> dict[str, object]:
        """As this gateway sees it. The edge has checked that the caller is an admin."""
        return {
            "object": "cluster.status",
            "name": self._config.name,
            "version": __version__,
            "ready": self._readiness.is_ready(),
            "gateway": self._gateway,
            "models": [self._model(model) for model in self._config.models],
            "speech": _speech(self._speech),
        }

    def _model(self, model: ModelSettings) -> dict[str, object]:
        """``replicas_wanted``: the fewest, where their number follows the load; ``replicas_max``: the most."""
        scaling = model.autoscaling
        fewest, most = (model.replicas, model.replicas) if scaling is None else (scaling.min_replicas, scaling.max_replicas)
        return {
            "id": model.id,
            "replicas_wanted": fewest,
            "replicas_max": most,
            "replicas": sorted(self._readiness.replicas(model.id)),
            "organization": model.organization,
        }


def _speech(catalogue: Catalogue | None) -> dict[str, object] | None:
    if catalogue is None:
        return None
    voices = [{"id": voice.id, "description": voice.description, "language": voice.language} for voice in catalogue.voices]
    return {"ready": catalogue.known, "voices": voices, "languages": list(catalogue.languages)}
