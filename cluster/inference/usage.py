"""Token usage as a client is shown it."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """``cached_tokens`` follows the prompt-cache rule (0 below 1,024, else a multiple of 128), not the engine's exact count."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def to_json(self) -> bytes:
        """OpenAI's ``CompletionUsage`` object."""
        return msgspec.json.encode(
            {
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": self.completion_tokens,
                "total_tokens": self.total_tokens,
                "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": self.reasoning_tokens,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            }
        )
