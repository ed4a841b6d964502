"""Audio in a chat completion's usage: counted by length and added to what the model counted, as it is for realtime responses."""

from __future__ import annotations

from typing import Any

from cluster.speech.tokens import heard_tokens, spoken_tokens


def add_audio(usage: dict[str, Any] | None, heard_ms: int, spoken_ms: int) -> None:
    """Change OpenAI's ``CompletionUsage`` object. ``heard_ms``, ``spoken_ms``: audio that was recognized and made, in ms."""
    if usage is None:
        return
    heard, spoken = heard_tokens(heard_ms), spoken_tokens(spoken_ms)
    usage["prompt_tokens"] += heard
    usage["completion_tokens"] += spoken
    usage["total_tokens"] += heard + spoken
    usage["prompt_tokens_details"]["audio_tokens"] += heard
    usage["completion_tokens_details"]["audio_tokens"] += spoken
