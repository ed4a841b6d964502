"""Usage of a response: text as the model counted it, audio by its length.

The model of a cascade reads and writes text; audio is what recognizer and synthesizer worked through. It is counted as OpenAI does,
a token for each 100 ms of the user's audio and for each 50 ms of the answer's, and each piece of audio once: with the response that
first had it in its context.
"""

from __future__ import annotations

from collections.abc import Iterable

from cluster.inference.usage import Usage
from cluster.realtime.protocol.responses import CachedTokensDetails, InputTokenDetails, OutputTokenDetails, ResponseUsage
from cluster.realtime.session.items import StoredItem
from cluster.speech.tokens import heard_tokens, spoken_tokens


def response_usage(text: Usage | None, heard_ms: int, spoken_ms: int) -> ResponseUsage:
    """``text``: the model's count, ``None`` if it gave none. ``heard_ms``, ``spoken_ms``: audio in and out, in milliseconds."""
    read = text.prompt_tokens if text is not None else 0
    cached = text.cached_tokens if text is not None else 0
    written = text.completion_tokens if text is not None else 0
    heard, spoken = heard_tokens(heard_ms), spoken_tokens(spoken_ms)
    return ResponseUsage(
        total_tokens=read + heard + written + spoken,
        input_tokens=read + heard,
        output_tokens=written + spoken,
        input_token_details=InputTokenDetails(
            text_tokens=read,
            audio_tokens=heard,
            cached_tokens=cached,
            cached_tokens_details=CachedTokensDetails(text_tokens=cached),
        ),
        output_token_details=OutputTokenDetails(text_tokens=written, audio_tokens=spoken),
    )


def count_heard_ms(items: Iterable[StoredItem]) -> int:
    """Milliseconds of the user's audio in these items that no response was charged for yet; from now on one is."""
    total = 0
    for item in items:
        if not item.counted and item.role == "user":
            item.counted = True
            total += sum(part.audio_ms for part in item.parts)
    return total
