"""What every synthesizer asks of an order before it works on it: one validator, so that all refuse alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from cluster.errors import InvalidRequest
from cluster.speech.errors import TextTooLong, VoiceNotFound

MIN_SPEED: Final = 0.25
MAX_SPEED: Final = 4.0


def check_voice(voice: str, known: Iterable[str]) -> None:
    """Raises:
    VoiceNotFound: no such voice.
    """
    names = sorted(known)
    if voice not in names:
        # Cut short: it is the caller's text.
        raise VoiceNotFound(f"voice {voice[:64]!r} is not one of {', '.join(names)}", param="voice")


def check_order(text: str, voice: str, speed: float, known: Iterable[str], max_chars: int) -> None:
    """Raises:
    VoiceNotFound: no such voice (``param="voice"``).
    TextTooLong: more than ``max_chars`` characters (``param="input"``).
    InvalidRequest: ``speed`` out of range (``param="speed"``).
    """
    check_voice(voice, known)
    if len(text) > max_chars:
        raise TextTooLong(f"the text has {len(text)} characters, of which at most {max_chars} can be spoken", param="input")
    if not (math.isfinite(speed) and MIN_SPEED <= speed <= MAX_SPEED):
        raise InvalidRequest(f"speed must lie between {MIN_SPEED:g} and {MAX_SPEED:g}", param="speed")
