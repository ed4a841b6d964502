"""The shapes of the bench models and how they are served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from models.demo.vocabulary import END_OF_TEXT, START_OF_TEXT, STOP_TOKENS, VOCABULARY_SIZE

MAX_CONTEXT_TOKENS = 8192


@dataclass(frozen=True)
class BenchModel:
    """One model: its ``config.json``, its tokenizer, and the vLLM arguments that it needs."""

    name: str
    tokenizer: Literal["harmony", "bytes"]
    config: dict[str, Any]
    engine: dict[str, Any]


_GPT_OSS_LAYERS = 24

BENCH_GPT_OSS = BenchModel(
    name="bench-gpt-oss",
    tokenizer="harmony",
    config={
        "architectures": ["GptOssForCausalLM"],
        "model_type": "gpt_oss",
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": 512,
        "intermediate_size": 1024,
        "num_hidden_layers": _GPT_OSS_LAYERS,
        "num_local_experts": 4,
        "num_experts_per_tok": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "sliding_window": 128,
        "layer_types": ["sliding_attention" if layer % 2 == 0 else "full_attention" for layer in range(_GPT_OSS_LAYERS)],
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
        "dtype": "bfloat16",
        "bos_token_id": START_OF_TEXT,
        "eos_token_id": list(STOP_TOKENS),
        "pad_token_id": END_OF_TEXT,
        "tie_word_embeddings": False,
    },
    # Without the interval vLLM keeps only the end of a sliding-window prompt, and a second prompt with the same start misses.
    engine={"load_format": "dummy", "dtype": "bfloat16", "prefix_cache_retention_interval": 256},
)

BYTE_TOKENS = 256
BYTE_SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_BYTE_VOCABULARY_SIZE = 320

BENCH_QWEN3 = BenchModel(
    name="bench-qwen3",
    tokenizer="bytes",
    config={
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": _BYTE_VOCABULARY_SIZE,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "max_position_embeddings": MAX_CONTEXT_TOKENS,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        "hidden_act": "silu",
        "attention_bias": False,
        "dtype": "bfloat16",
        "bos_token_id": BYTE_TOKENS,
        "eos_token_id": BYTE_TOKENS + 2,
        "pad_token_id": BYTE_TOKENS,
        "tie_word_embeddings": False,
    },
    engine={"load_format": "dummy", "dtype": "bfloat16"},
)

BENCH_MODELS = (BENCH_GPT_OSS, BENCH_QWEN3)
