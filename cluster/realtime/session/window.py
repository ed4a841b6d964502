"""What of a conversation still fits the model's context, and what is dropped when it doesn't.

Tokens are estimated: bytes of the rendered messages, by the bytes a token took in the answers before. Dropping is for good, oldest
first, and in steps as large as the policy allows, since each one costs the prompt cache all that follows the instructions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.session_objects import RetentionRatio, Truncation
from cluster.realtime.session.context import messages
from cluster.realtime.session.items import StoredItem

#: Before the first answer has told: English takes four bytes a token, other languages and JSON less.
_FIRST_BYTES_PER_TOKEN: Final = 3.0
_LEAST_BYTES_PER_TOKEN: Final = 1.0
_MOST_BYTES_PER_TOKEN: Final = 8.0
#: What ``auto`` keeps: all that fits, but for a tenth, so that not every following turn has to drop something.
_AUTO_RATIO: Final = 0.9
#: Tokens of an answer that sets no limit.
DEFAULT_OUTPUT_TOKENS: Final = 4096


class ContextWindow:
    """``tokens``: the model's context window; unknown, nothing is dropped."""

    def __init__(self, tokens: int | None) -> None:
        self._tokens = tokens
        self._bytes_per_token = _FIRST_BYTES_PER_TOKEN

    def learn(self, rendered_bytes: int, prompt_tokens: int) -> None:
        """A prompt of this size had this many tokens."""
        if rendered_bytes > 0 and prompt_tokens > 0:
            ratio = rendered_bytes / prompt_tokens
            self._bytes_per_token = min(_MOST_BYTES_PER_TOKEN, max(_LEAST_BYTES_PER_TOKEN, ratio))

    def fit(
        self, items: Sequence[StoredItem], instructions: str, head_bytes: int, output_tokens: int | None, policy: Truncation
    ) -> None:
        """Mark as forgotten what must go. ``head_bytes``: of the tools.

        Raises :class:`EventRefused` if something must, but the policy is ``disabled``.
        """
        room = self._room(output_tokens)
        limit = room
        ratio = _AUTO_RATIO
        if isinstance(policy, RetentionRatio):
            ratio = policy.retention_ratio
            own = policy.token_limits.post_instructions if policy.token_limits else None
            if isinstance(own, int):
                instruction_tokens = self._estimate((), instructions, head_bytes)
                limit = instruction_tokens + own if limit is None else min(limit, instruction_tokens + own)
        if limit is None or self._estimate(items, instructions, head_bytes) <= limit:
            return
        if policy == "disabled":
            raise EventRefused(
                "context_length_exceeded", "The conversation does not fit the model's context, and its truncation is disabled."
            )
        self._drop(items, instructions, head_bytes, int(limit * ratio))

    def shrink(self, items: Sequence[StoredItem], instructions: str, head_bytes: int) -> bool:
        """The model found the conversation too long after all: drop a third of it. Whether there was anything to drop."""
        before = sum(not item.forgotten for item in items)
        self._drop(items, instructions, head_bytes, self._estimate(items, instructions, head_bytes) * 2 // 3)
        return sum(not item.forgotten for item in items) < before

    def _room(self, output_tokens: int | None) -> int | None:
        if self._tokens is None:
            return None
        reserved = min(output_tokens or DEFAULT_OUTPUT_TOKENS, self._tokens // 2)
        return self._tokens - reserved

    def _drop(self, items: Sequence[StoredItem], instructions: str, head_bytes: int, target: int) -> None:
        """Oldest first; the newest stays, as an answer to nothing helps nobody."""
        left = [item for item in items if not item.forgotten]
        excess_bytes = (self._estimate(left, instructions, head_bytes) - target) * self._bytes_per_token
        for item in left[:-1]:
            if excess_bytes <= 0:
                return
            item.forgotten = True
            excess_bytes -= item.text_chars

    def _estimate(self, items: Sequence[StoredItem], instructions: str, head_bytes: int) -> int:
        return int((head_bytes + rendered_bytes(items, instructions)) / self._bytes_per_token)


def rendered_bytes(items: Iterable[StoredItem], instructions: str) -> int:
    """How large the messages are, as JSON."""
    return len(msgspec.json.encode(messages(instructions, items)))
