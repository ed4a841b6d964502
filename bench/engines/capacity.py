"""How much cache an engine needs to hold so many prompts, for a model whose layers alternate between full and sliding attention.

vLLM has one pool of blocks for both kinds. A block holds so many tokens of one kind's layers; of the sliding ones only the windows
before each multiple of the retention interval, and before a prompt's end, stay in the pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BLOCK_TOKENS = 32
_BYTES_PER_VALUE = {"bfloat16": 2, "float16": 2, "float32": 4}


def blocks_of_prompt(tokens: int, window_tokens: int, interval_tokens: int) -> int:
    """Blocks of the pool that a prompt keeps, of both kinds together."""
    every, window = -(-tokens // BLOCK_TOKENS), -(-window_tokens // BLOCK_TOKENS)
    # Windows that overlap share their blocks.
    return every + min(every, window * (tokens // interval_tokens + 1))


def block_bytes(config: Mapping[str, Any], layers: int, dtype: str) -> int:
    """Bytes of one block: keys and values of the layers of one kind, which are half of all."""
    values = 2 * int(config["num_key_value_heads"]) * int(config["head_dim"])
    return BLOCK_TOKENS * (layers // 2) * values * _BYTES_PER_VALUE[dtype]


def cache_bytes(
    config: Mapping[str, Any], layers: int, dtype: str, prompts: float, prompt_tokens: int, interval_tokens: int
) -> int:
    """A cache for so many prompts."""
    blocks = prompts * blocks_of_prompt(prompt_tokens, int(config["sliding_window"]), interval_tokens)
    return round(blocks) * block_bytes(config, layers, dtype)
