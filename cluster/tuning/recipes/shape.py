"""Sizes of a model, from its config.json: what estimates are computed from, without loading anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ModelShape:
    """``experts`` is 0 for a dense model; ``vision_parameters`` counts the vision tower's."""

    layers: int
    hidden: int
    intermediate: int
    query_width: int
    key_value_width: int
    vocabulary: int
    tied_embeddings: bool
    experts: int = 0
    experts_per_token: int = 0
    vision_parameters: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Read a config.json; of a model with a vision tower, its text part is in ``text_config``.

        Raises:
            KeyError: it has not the sizes of a transformer's decoder.
        """
        text = config.get("text_config") or config
        heads = text["num_attention_heads"]
        head = text.get("head_dim") or text["hidden_size"] // heads
        experts = text.get("num_local_experts") or text.get("num_experts") or 0
        return cls(
            layers=text["num_hidden_layers"],
            hidden=text["hidden_size"],
            intermediate=(text.get("moe_intermediate_size") if experts else None) or text["intermediate_size"],
            query_width=heads * head,
            key_value_width=(text.get("num_key_value_heads") or heads) * head,
            vocabulary=text["vocab_size"],
            tied_embeddings=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            experts=experts,
            experts_per_token=text.get("num_experts_per_tok") or text.get("experts_per_token") or 0,
            vision_parameters=_vision(config.get("vision_config")),
        )

    @property
    def attention_parameters(self) -> int:
        """Of one layer: the projections of queries, keys, values and the output."""
        return 2 * self.hidden * (self.query_width + self.key_value_width)

    @property
    def parameters(self) -> int:
        """All of them, norms and biases apart (less than a thousandth)."""
        return self._with(max(1, self.experts)) + self.vision_parameters

    @property
    def active_parameters(self) -> int:
        """Those that a token of text is multiplied with; of embeddings only the output's."""
        embeddings = self.vocabulary * self.hidden * (0 if self.tied_embeddings else 1)
        return self._with(self.experts_per_token or 1) - embeddings

    def lora_parameters(self, rank: int, *, feed_forward: bool, experts: bool) -> int:
        """Of adapters on the attention's four projections, the feed-forward's three and the experts', if asked for."""
        attention = 4 * self.hidden + 2 * self.query_width + 2 * self.key_value_width
        block = 3 * (self.hidden + self.intermediate)
        per_layer = attention + (block if feed_forward and not self.experts else 0)
        # PEFT adapts the experts' two fused parameters: gate with up, and down.
        fused = self.experts * (self.hidden + 2 * self.intermediate + self.intermediate + self.hidden) if experts else 0
        return self.layers * rank * (per_layer + fused)

    def _with(self, experts: int) -> int:
        layer = self.attention_parameters + 3 * self.hidden * self.intermediate * experts + self.hidden * self.experts
        return self.layers * layer + self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)


def _vision(config: Mapping[str, Any] | None) -> int:
    if not config:
        return 0
    hidden, intermediate = config.get("hidden_size", 0), config.get("intermediate_size", 0)
    return int(config.get("num_hidden_layers", 0) * (4 * hidden * hidden + 2 * hidden * intermediate))
