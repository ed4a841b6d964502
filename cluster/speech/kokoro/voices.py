"""Kokoro's voices by their own names, and under those that OpenAI's clients send.

A voice's name begins with its language and its sex (``af_heart``: American English, woman). Japanese and Chinese voices are left
out: espeak-ng does not write their phonemes as Kokoro was taught them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cluster.speech.contract import VoiceInfo


@dataclass(frozen=True, slots=True)
class Accent:
    """``espeak``: as ``espeak-ng -v`` takes it. ``language``: ISO 639-1."""

    espeak: str
    language: str
    description: str


ACCENTS: Final = {
    "a": Accent("en-us", "en", "American English"),
    "b": Accent("en-gb", "en", "British English"),
    "e": Accent("es", "es", "Spanish"),
    "f": Accent("fr-fr", "fr", "French"),
    "h": Accent("hi", "hi", "Hindi"),
    "i": Accent("it", "it", "Italian"),
    "p": Accent("pt-br", "pt", "Brazilian Portuguese"),
}
_SEXES: Final = {"f": "woman", "m": "man"}

#: Where Kokoro has a voice of that name, it is the one; the others were chosen by sex and pitch.
OPENAI_NAMES: Final = {
    "alloy": "af_alloy",
    "ash": "am_fenrir",
    "ballad": "bm_george",
    "cedar": "am_michael",
    "coral": "af_bella",
    "echo": "am_echo",
    "fable": "bm_fable",
    "marin": "af_heart",
    "nova": "af_nova",
    "onyx": "am_onyx",
    "sage": "af_sarah",
    "shimmer": "af_sky",
    "verse": "am_puck",
}


def accent_of(voice: str) -> Accent:
    """The accent of a voice by Kokoro's name. Raises ``KeyError`` for one that is not spoken here."""
    return ACCENTS[voice[:1]]


def spoken_here(names: Iterable[str]) -> list[str]:
    """Those of Kokoro's names that can be spoken, in order."""
    return sorted(name for name in names if name[:1] in ACCENTS and name[1:2] in _SEXES)


def by_client_name(names: Iterable[str]) -> dict[str, str]:
    """From every name that clients may use to the voice behind it. ``names``: the voices at hand, at least one.

    For a voice that is missing stands another one of its accent and sex, then of its accent, then the first one.
    """
    own = spoken_here(names)
    return {name: _nearest(voice, own) for name, voice in OPENAI_NAMES.items()} | {name: name for name in own}


def infos(by_name: dict[str, str]) -> tuple[VoiceInfo, ...]:
    """What clients are told of each of their names."""
    return tuple(VoiceInfo(name, _description(voice), accent_of(voice).language) for name, voice in by_name.items())


def _nearest(wanted: str, own: list[str]) -> str:
    if wanted in own:
        return wanted
    for length in (2, 1, 0):
        alike = [name for name in own if name[:length] == wanted[:length]]
        if alike:
            # Names that share a stand-in are spread over those there are.
            return alike[sum(wanted.encode()) % len(alike)]
    raise ValueError("no voice at hand")


def _description(voice: str) -> str:
    return f"Kokoro {voice}, {accent_of(voice).description}, {_SEXES[voice[1]]}"
