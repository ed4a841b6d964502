"""Publishes what was trained in the registry of tuned models.

An adapter is on probation first: registered, and seen by nobody, until the engine of its base was found to serve what was trained;
from then on engines load it when it is asked for. Checkpoints go the same way.

What engines can't take as an adapter comes as a whole model. No engine has it yet, so that the trainer itself has loaded what
it left once more and scored it. The model is registered when that is what was trained, and engines start with the cluster's next
start.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from cluster.errors import OssatureError, Overloaded
from cluster.identity.principal import Principal
from cluster.tuned.model import Kind, State, TunedModel
from cluster.tuned.names import TunedName
from cluster.tuned.service import NewTunedModel, TunedModels
from cluster.tuning.parity_probe import ParityProbe
from cluster.tuning.trainer import BaseModel, Publication, Say, TrainingFailed
from cluster.tuning.training.parity import Trained, Verdict, judge

_GIB = 1 << 30
_MERGED = "The merged model, loaded again by the training framework,"


class RegistryPublisher:
    """A :class:`~cluster.tuning.trainer.Publisher`. Without ``probe`` nothing is compared."""

    def __init__(self, models: TunedModels, probe: ParityProbe | None = None) -> None:
        self._models = models
        self._probe = probe

    async def check_room(self, principal: Principal, base: BaseModel) -> None:
        try:
            await self._models.check_room(principal, base.id, Kind.MERGED if base.merged_because else Kind.ADAPTER)
        except Overloaded:
            raise
        except OssatureError as error:
            raise TrainingFailed(error.code or "not_published", error.message) from error

    async def publish(self, publication: Publication, say: Say) -> None:
        name = TunedName.parse(publication.name)
        assert name is not None, f"{publication.name!r} is no name of a tuned model"
        if publication.merged_because:
            await self._publish_merged(publication, name, say)
        else:
            await self._publish_adapter(publication, name, say)

    async def _publish_adapter(self, publication: Publication, name: TunedName, say: Say) -> None:
        # A checkpoint of a training that was to score nothing has no scores.
        probe = self._probe if publication.scores is not None or publication.step is None else None
        model = await self._registered(publication, name, Kind.ADAPTER, probation=probe is not None)
        if probe is not None and model.state is State.PROBATION:
            try:
                await self._compare(probe, publication, model, say)
            except TrainingFailed:
                await self._models.refuse(publication.principal, name)
                raise
            await self._models.accept(publication.principal, name)
        assert model.adapter is not None, "an adapter was registered"
        await say(f"{model.name} is registered: an adapter of rank {model.adapter.rank} for {model.base_model}.")

    async def _publish_merged(self, publication: Publication, name: TunedName, say: Say) -> None:
        if self._probe is not None:
            await self._compare_saved(publication, say)
        model = await self._registered(publication, name, Kind.MERGED, probation=False)
        await say(
            f"{model.name} is registered as a model of its own ({model.size_bytes / _GIB:.2f} GiB), because "
            f"{' and '.join(publication.merged_because)}. Until the cluster has been started or deployed again, requests for it "
            "get the error model_not_started.",
            data={"kind": model.kind, "size_bytes": model.size_bytes, "merged_because": list(publication.merged_because)},
            key="merged",
        )

    async def _registered(self, publication: Publication, name: TunedName, kind: Kind, *, probation: bool) -> TunedModel:
        new = NewTunedModel(name, publication.path, publication.job_id, kind)
        try:
            return await self._models.register(publication.principal, new, probation=probation)
        except Overloaded:
            # It will be tried again.
            raise
        except OssatureError as error:
            raise TrainingFailed(error.code or "not_published", error.message) from error

    async def _compare(self, probe: ParityProbe, publication: Publication, model: TunedModel, say: Say) -> None:
        """Raises :class:`TrainingFailed` unless the engine serves what was trained."""
        if publication.scores is None:
            raise TrainingFailed("parity_probe_failed", "The training has left nothing to compare the served model with.")
        verdict = await probe.verdict(publication.principal, publication.job_id, model.name, publication.scores, say)
        if publication.step is None:
            await _conclude(verdict, verdict.describe(), "parity", say)
        else:
            told = verdict.describe(f"The serving engine, asked for the checkpoint of step {publication.step},")
            await _conclude(verdict, told, f"parity:{publication.step}", say)

    async def _compare_saved(self, publication: Publication, say: Say) -> None:
        """Raises :class:`TrainingFailed` unless the files that would be served compute what was trained."""
        scores = publication.scores
        trained = await asyncio.to_thread(lambda: Trained.read(scores)) if scores is not None else None
        if trained is None or trained.saved is None:
            raise TrainingFailed("parity_probe_failed", "The training has left nothing to compare the merged model with.")
        verdict = judge(trained.base, trained.tuned, trained.saved)
        told = f"{verdict.describe(_MERGED)} No engine serves it yet, so that the serving engine's answers were not compared."
        await _conclude(verdict, told, "parity", say)


async def _conclude(verdict: Verdict, told: str, key: str, say: Say) -> None:
    await say(told, data={"parity": asdict(verdict)}, key=key)
    if not verdict.accepted:
        raise TrainingFailed(f"parity_{verdict.reason}", f"The tuned model was not published. {told}")
