"""How much of a cache hit a client is shown."""

from __future__ import annotations

MIN_PROMPT_TOKENS = 1024
"""Prompts shorter than this report no hit."""

STEP_TOKENS = 128
"""Reported hits are multiples of this."""


def shown_cached_tokens(prompt_tokens: int, cached_tokens: int) -> int:
    """``usage.prompt_tokens_details.cached_tokens`` for an engine that reused ``cached_tokens`` of ``prompt_tokens``.

    0 for prompts under 1,024 tokens; else the engine's count, never more than the prompt, rounded down to a multiple of 128.
    Raises ``ValueError`` for negative counts.
    """
    if prompt_tokens < 0 or cached_tokens < 0:
        raise ValueError(f"token counts can't be negative: prompt {prompt_tokens}, cached {cached_tokens}")
    if prompt_tokens < MIN_PROMPT_TOKENS:
        return 0
    return min(cached_tokens, prompt_tokens) // STEP_TOKENS * STEP_TOKENS
