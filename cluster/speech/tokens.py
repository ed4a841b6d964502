"""Audio and spoken text counted in tokens, for usage: by length, as nothing here that hears or speaks has tokens of its own."""

from __future__ import annotations

from typing import Final

#: OpenAI's measures: a token for each 100 ms of a user's audio, and for each 50 ms of an answer's.
INPUT_AUDIO_MS_PER_TOKEN: Final = 100
OUTPUT_AUDIO_MS_PER_TOKEN: Final = 50
#: What English text comes to on average in OpenAI's vocabularies.
CHARS_PER_TOKEN: Final = 4


def heard_tokens(audio_ms: int) -> int:
    """Of audio that was recognized; a token begun counts."""
    return -(-audio_ms // INPUT_AUDIO_MS_PER_TOKEN)


def spoken_tokens(audio_ms: int) -> int:
    """Of audio that was made."""
    return -(-audio_ms // OUTPUT_AUDIO_MS_PER_TOKEN)


def text_tokens(text: str) -> int:
    """Of text that was spoken or recognized. Not for text that a model read or wrote: it counts its own."""
    return -(-len(text) // CHARS_PER_TOKEN)
