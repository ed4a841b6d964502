"""Publishes what was trained in the registry of tuned models: from then on the engines of the base model load it when asked for.

A training's result is on probation first: registered, and seen by nobody, until the engine was found to serve what was trained.
Its checkpoints come after it. They are adapters of the same form, of weights that the result has grown from, and are not probed.
"""

from __future__ import annotations

from dataclasses import asdict

from cluster.errors import OssatureError, Overloaded
from cluster.tuned.model import State, TunedModel
from cluster.tuned.names import TunedName
from cluster.tuned.service import NewTunedModel, TunedModels
from cluster.tuning.parity_probe import ParityProbe
from cluster.tuning.trainer import Publication, Say, TrainingFailed


class RegistryPublisher:
    """A :class:`~cluster.tuning.trainer.Publisher`. Without ``probe`` nothing is compared."""

    def __init__(self, models: TunedModels, probe: ParityProbe | None = None) -> None:
        self._models = models
        self._probe = probe

    async def publish(self, publication: Publication, say: Say) -> None:
        name = TunedName.parse(publication.name)
        assert name is not None, f"{publication.name!r} is no name of a tuned model"
        new = NewTunedModel(name, publication.path, publication.job_id)
        probe = self._probe if publication.step is None else None
        try:
            model = await self._models.register(publication.principal, new, probation=probe is not None)
        except Overloaded:
            # It will be tried again.
            raise
        except OssatureError as error:
            raise TrainingFailed(error.code or "not_published", error.message) from error
        if probe is not None and model.state is State.PROBATION:
            try:
                await self._compare(probe, publication, model, say)
            except TrainingFailed:
                await self._models.refuse(publication.principal, name)
                raise
            await self._models.accept(publication.principal, name)
        await say(f"{model.name} is registered: an adapter of rank {model.adapter.rank} for {model.base_model}.")

    async def _compare(self, probe: ParityProbe, publication: Publication, model: TunedModel, say: Say) -> None:
        """Raises :class:`TrainingFailed` unless the engine serves what was trained."""
        if publication.scores is None:
            raise TrainingFailed("parity_probe_failed", "The training has left nothing to compare the served model with.")
        verdict = await probe.verdict(publication.principal, publication.job_id, model.name, publication.scores, say)
        await say(verdict.describe(), data={"parity": asdict(verdict)}, key="parity")
        if not verdict.accepted:
            raise TrainingFailed(f"parity_{verdict.reason}", f"The tuned model was not published. {verdict.describe()}")
