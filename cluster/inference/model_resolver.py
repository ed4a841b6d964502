"""From the name that a caller gives a model to what answers.

That is one of the cluster's models, alone or with a tuned one on top, or a tuned one that has engines of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.config.settings.models import ModelSettings
from cluster.engine.contract import Adapter
from cluster.errors import ModelNotFound, ModelUnusable, PermissionDenied
from cluster.identity.principal import Principal
from cluster.inference.service import ModelCard
from cluster.tuned.lookup import TunedLookup
from cluster.tuned.model import Kind, TunedModel
from cluster.tuned.names import TunedName, is_tuned


@dataclass(frozen=True, slots=True)
class Target:
    """``model``: whose replicas answer; ``name``: what the caller calls it; ``adapter``: what they add to its weights."""

    model: ModelSettings
    name: str
    adapter: Adapter | None = None


class ModelResolver:
    """``tuned``: ``None`` where there are no tuned models.

    Every method raises :class:`ModelNotFound` with the same words for what does not exist and for what is another organization's.
    Those that look for tuned models may raise :class:`~cluster.errors.StoreUnavailable`.
    """

    def __init__(self, models: Mapping[str, ModelSettings], tuned: TunedLookup | None = None) -> None:
        self._models = {model_id: model for model_id, model in models.items() if not is_tuned(model_id)}
        # Theirs is asked for in the registry first: what its organization has deleted is gone, though its engine still runs.
        self._merged = {model_id: model for model_id, model in models.items() if is_tuned(model_id)}
        self._tuned = tuned

    def configured(self, principal: Principal) -> list[ModelCard]:
        """The cluster's own models that the caller may use."""
        return [_card(model) for model in self._models.values() if _may_use(principal, model)]

    def configured_card(self, principal: Principal, model_id: str) -> ModelCard:
        model = self._own(principal, model_id)
        if model is None:
            raise _not_found(model_id)
        return _card(model)

    def label(self, principal: Principal, model_id: str) -> str | None:
        """The cluster's model that a request is counted under, which for an adapter is its base; ``None`` for any other name."""
        if model_id in self._models:
            return model_id
        name = TunedName.parse(model_id)
        if name is None or name.org_id != principal.org_id:
            return None
        if model_id in self._merged:
            return model_id
        return name.base if name.base in self._models else None

    async def target(self, principal: Principal, model_id: str, *, probation: bool = False) -> Target:
        """What answers a request.

        Raises :class:`ModelUnusable` for a tuned model whose base is not served to the caller now, and for one with weights of its
        own that has no engine yet.

        ``probation``: also a tuned model that is still being examined.
        """
        model = self._own(principal, model_id)
        if model is not None:
            return Target(model, model_id)
        tuned = await self._found(principal, model_id, probation=probation)
        if tuned.kind is Kind.MERGED:
            served = self._merged.get(tuned.name)
            if served is None or served.organization != principal.org_id:
                raise ModelUnusable(
                    f"The model {model_id!r} can't be used yet: it has weights of its own, for which the cluster starts engines "
                    "when it is started or deployed the next time. The events of its fine-tuning job say how.",
                    code="model_not_started",
                )
            return Target(served, tuned.name)
        base = self._own(principal, tuned.base_model)
        if base is None or not base.adapters.enabled:
            raise ModelUnusable(f"The model {model_id!r} can't be used now: its base model is not served with tuned models.")
        return Target(base, tuned.name, tuned.adapter)

    async def cards(self, principal: Principal) -> list[ModelCard]:
        """All models that the caller may use: the cluster's, then tuned ones, oldest first."""
        tuned = await self._tuned.list(principal) if self._tuned is not None else []
        return [*self.configured(principal), *(self._tuned_card(principal, model) for model in tuned)]

    async def card(self, principal: Principal, model_id: str) -> ModelCard:
        model = self._own(principal, model_id)
        return _card(model) if model is not None else self._tuned_card(principal, await self._found(principal, model_id))

    async def delete(self, principal: Principal, model_id: str) -> None:
        """Delete a tuned model. Raises :class:`PermissionDenied` for one of the cluster's own."""
        if self._own(principal, model_id) is not None:
            raise PermissionDenied(
                f"The model {model_id!r} belongs to this cluster's configuration. Only tuned models can be deleted.",
                param="model",
                code="insufficient_permissions",
            )
        if self._tuned is None:
            raise _not_found(model_id)
        await self._tuned.delete(principal, model_id)

    # --- parts of the above -----------------------------------------------------------------------------------------------

    def _own(self, principal: Principal, model_id: str) -> ModelSettings | None:
        model = self._models.get(model_id)
        return model if model is not None and _may_use(principal, model) else None

    async def _found(self, principal: Principal, model_id: str, *, probation: bool = False) -> TunedModel:
        found = await self._tuned.find(principal, model_id, probation=probation) if self._tuned is not None else None
        if found is None:
            raise _not_found(model_id)
        return found

    def _tuned_card(self, principal: Principal, tuned: TunedModel) -> ModelCard:
        base = self._own(principal, tuned.base_model)
        context_tokens = _context_tokens(base) if base is not None else None
        started = tuned.kind is not Kind.MERGED or tuned.name in self._merged
        return ModelCard(tuned.name, tuned.created_at, tuned.org_id, context_tokens, started)


def _not_found(model_id: str) -> ModelNotFound:
    # One answer for both, so that a private model's name can't be probed for.
    return ModelNotFound(f"The model {model_id[:128]!r} does not exist or you do not have access to it.", param="model")


def _may_use(principal: Principal, model: ModelSettings) -> bool:
    return model.organization is None or model.organization == principal.org_id


def _card(model: ModelSettings) -> ModelCard:
    return ModelCard(model.id, model.created, model.owned_by, _context_tokens(model))


def _context_tokens(model: ModelSettings) -> int | None:
    max_model_len = model.engine.get("max_model_len")
    return max_model_len if isinstance(max_model_len, int) else None
