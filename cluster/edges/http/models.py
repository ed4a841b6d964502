"""``GET /v1/models``, and ``GET`` and ``DELETE /v1/models/{id}``."""

from __future__ import annotations

from cluster.edges.http.exchange import Exchange
from cluster.inference.service import Inference, ModelCard


class Models:
    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def list(self, exchange: Exchange) -> None:
        cards = await self._inference.list_models(exchange.caller)
        await exchange.respond_object({"object": "list", "data": [_model(card) for card in cards]})

    async def retrieve(self, exchange: Exchange, model_id: str) -> None:
        await exchange.respond_object(_model(await self._inference.find_model(exchange.caller, model_id)))

    async def delete(self, exchange: Exchange, model_id: str) -> None:
        await self._inference.delete_model(exchange.caller, model_id)
        await exchange.respond_object({"id": model_id, "object": "model", "deleted": True})


def _model(card: ModelCard) -> dict[str, object]:
    model: dict[str, object] = {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owned_by}
    if card.max_model_len is not None:
        model["max_model_len"] = card.max_model_len
    if not card.started:
        model["started"] = False
    return model
