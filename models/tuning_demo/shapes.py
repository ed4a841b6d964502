"""Configurations of the tiny models, by family. Heads of 32: the smallest that vLLM's CPU attention takes."""

from __future__ import annotations

from typing import Any

_COMMON = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
}


def text_config(family: str, *, vocabulary: int, end_id: int, pad_id: int, layers: int = 2) -> Any:
    """A configuration of ``qwen3``, ``llama`` or ``gpt_oss``: hidden size 128, half a million parameters.

    Raises:
        KeyError: it is of none of them.
    """
    from transformers import GptOssConfig, LlamaConfig, Qwen3Config

    ids = {"bos_token_id": None, "eos_token_id": end_id, "pad_token_id": pad_id}
    common = _COMMON | ids | {"vocab_size": vocabulary, "hidden_size": 128, "num_hidden_layers": layers}
    if family == "gpt_oss":
        return GptOssConfig(**common, intermediate_size=64, num_local_experts=4, num_experts_per_tok=2, sliding_window=64)
    return {"qwen3": Qwen3Config, "llama": LlamaConfig}[family](**common, intermediate_size=256)


def make_text_model(family: str, tokenizer: Any, *, seed: int = 0, layers: int = 2) -> Any:
    """A model of ``family`` with random weights from ``seed``, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = text_config(
        family, vocabulary=len(tokenizer), end_id=tokenizer.eos_token_id, pad_id=tokenizer.pad_token_id, layers=layers
    )
    return AutoModelForCausalLM.from_config(config)
