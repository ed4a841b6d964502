"""A tokenizer without training: one token a byte, and marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def byte_tokenizer(marks: Sequence[str], *, end: str, pad: str, max_tokens: int, **named: str) -> Any:
    """A ``PreTrainedTokenizerFast``. ``named``: marks that processors ask for by an attribute of the tokenizer."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: number for number, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    options: dict[str, Any] = {"extra_special_tokens": named} if named else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, pad_token=pad, model_max_length=max_tokens, **options)
