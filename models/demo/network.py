"""The network in training: gpt-oss over the used tokens plus one row for all others, with tied embeddings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.demo.architecture import network_config
from models.demo.compact import CompactModel, from_bits, to_bits
from models.demo.vocabulary import VOCABULARY_SIZE

IGNORED = -100
"""Label of positions that don't count in the loss."""

_ROW_STD = 0.08


class DemoNetwork(nn.Module):  # type: ignore[misc]
    """gpt-oss whose vocabulary is ``[unused, *token_ids]``; ids that go in and out are indices into that list."""

    def __init__(self, token_ids: list[int], seed: int) -> None:
        from transformers import GptOssConfig, GptOssForCausalLM

        super().__init__()
        self.token_ids = token_ids
        rows = len(token_ids) + 1
        config = GptOssConfig(vocab_size=rows, pad_token_id=None, eos_token_id=1, initializer_range=0.05, **network_config())
        torch.manual_seed(seed)
        causal: Any = GptOssForCausalLM(config)
        causal.set_experts_implementation("grouped_mm")
        self.body = causal.model
        self.rows: nn.Parameter = self.body.embed_tokens.weight
        nn.init.normal_(self.rows, 0.0, _ROW_STD)
        self.output_scale = nn.Parameter(torch.ones(()))
        # Row 0 stands for all unused tokens at once, so that sampling from the full vocabulary rarely picks one of them.
        bias = torch.zeros(rows)
        bias[0] = math.log(VOCABULARY_SIZE - len(token_ids))
        self.register_buffer("unused_bias", bias, persistent=False)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def loss(self, indices: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Mean cross-entropy of the next token.

        Args:
            indices: ``[batch, length]`` row indices.
            labels: the same, ``IGNORED`` where a token isn't to be learned.
            mask: ``[batch, length]``, 1 where there is a token; padding is at the end.
        """
        hidden = self.body(input_ids=indices, attention_mask=mask).last_hidden_state[:, :-1]
        targets = labels[:, 1:]
        counted = targets != IGNORED
        logits = hidden[counted] @ self.rows.T * self.output_scale + self.unused_bias
        return nn.functional.cross_entropy(logits, targets[counted])

    def restore(self, model: CompactModel) -> None:
        """Take over weights of the compact form; tokens that it has no rows for keep their fresh ones.

        Raises:
            ValueError: the weights have rows for tokens that this network lacks, or are of another network.
        """
        index_of = {token_id: index for index, token_id in enumerate(self.token_ids, start=1)}
        if lacking := [token_id for token_id in model.token_ids.tolist() if token_id not in index_of]:
            raise ValueError(f"the weights to go on from have rows for other tokens: {lacking[:10]}")
        weights = {name.removeprefix("model."): torch.from_numpy(from_bits(bits)) for name, bits in model.tensors.items()}
        with torch.no_grad():
            missing, unexpected = self.body.load_state_dict(weights, strict=False)
            known = torch.tensor([0, *(index_of[token_id] for token_id in model.token_ids.tolist())])
            self.rows[known] = torch.from_numpy(from_bits(model.rows))
            self.output_scale.fill_(model.output_scale)
        absent = [name for name in missing if not name.startswith(("rotary_emb", "embed_tokens"))]
        if absent or unexpected:
            raise ValueError(f"the weights to go on from are of another network: without {absent}, with {unexpected}")

    def compact(self) -> CompactModel:
        """The trained weights in their compact form."""

        def bits(tensor: Tensor) -> Any:
            return to_bits(tensor.detach().float().numpy())

        return CompactModel(
            tensors={
                f"model.{name}": bits(tensor)
                for name, tensor in self.body.state_dict().items()
                if not name.startswith(("embed_tokens", "rotary_emb"))
            },
            rows=bits(self.rows),
            token_ids=np.array(self.token_ids, dtype=np.int32),
            output_scale=self.output_scale.item(),
        )
