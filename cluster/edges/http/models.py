"""``GET /v1/models`` and ``GET /v1/models/{id}``."""

from __future__ import annotations

from cluster.edges.http.exchange import Exchange
from cluster.inference.service import Inference, ModelCard


class Models:
    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def list(self, exchange: Exchange) -> None:
        cards = self._inference.models(exchange.caller)
        await exchange.respond_object({"object": "list", "data": [_model(card) for card in cards]})

    async def retrieve(self, exchange: Exchange, model_id: str) -> None:
        await exchange.respond_object(_model(self._inference.model(exchange.caller, model_id)))


def _model(card: ModelCard) -> dict[str, object]:
    model: dict[str, object] = {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owned_by}
    if card.max_model_len is not None:
        model["max_model_len"] = card.max_model_len
    return model
