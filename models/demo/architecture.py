"""Shape of the demo model, and the Hugging Face configuration of its expanded form."""

from __future__ import annotations

from typing import Any

from models.demo.vocabulary import END_OF_TEXT, START_OF_TEXT, STOP_TOKENS, VOCABULARY_SIZE

MAX_CONTEXT_TOKENS = 8192

LAYERS = 4


def network_config() -> dict[str, Any]:
    """Hyper-parameters of ``GptOssConfig`` that training and the expanded model share.

    The RoPE settings are gpt-oss's own. Layers alternate between a window of 128 tokens and the whole context.
    """
    return {
        "hidden_size": 128,
        "intermediate_size": 128,
        "num_hidden_layers": LAYERS,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        # vLLM's attention on CPU wants a multiple of 32.
        "head_dim": 64,
        "sliding_window": 128,
        "layer_types": ["sliding_attention" if layer % 2 == 0 else "full_attention" for layer in range(LAYERS)],
        "max_position_embeddings": MAX_CONTEXT_TOKENS,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "attention_bias": True,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 150_000.0,
            "factor": 32.0,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
            "original_max_position_embeddings": 4096,
        },
    }


def expanded_config(network: dict[str, Any]) -> dict[str, Any]:
    """``config.json`` of the model with the full vocabulary."""
    return {
        "architectures": ["GptOssForCausalLM"],
        "model_type": "gpt_oss",
        **network,
        "vocab_size": VOCABULARY_SIZE,
        "dtype": "bfloat16",
        "bos_token_id": START_OF_TEXT,
        "eos_token_id": list(STOP_TOKENS),
        "pad_token_id": END_OF_TEXT,
        "tie_word_embeddings": False,
        "use_cache": True,
    }


def generation_config() -> dict[str, Any]:
    """``generation_config.json``: where an answer ends. ``<|call|>`` ends it too, so that a tool can be run."""
    return {"bos_token_id": START_OF_TEXT, "eos_token_id": list(STOP_TOKENS), "pad_token_id": END_OF_TEXT, "do_sample": True}
