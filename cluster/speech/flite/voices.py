"""Flite's voices under the names that clients use.

Four are voices of their own, two are made of them by shifting pitch and length: six presets, not six speakers. Names that clients
use for more voices than there are share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cluster.speech.contract import VoiceInfo


@dataclass(frozen=True, slots=True)
class Preset:
    """``flite``: the voice's name there. ``pitch`` and ``length``: factors on its fundamental frequency and on its durations."""

    flite: str
    description: str
    pitch: float = 1.0
    length: float = 1.0


SLT: Final = Preset("slt", "CMU slt, American woman (statistical)")
RMS: Final = Preset("rms", "CMU rms, American man (statistical)")
AWB: Final = Preset("awb", "CMU awb, Scottish man (statistical)")
KAL: Final = Preset("kal16", "CMU kal, American man (diphones; plainly a machine)")
SLT_BRIGHT: Final = Preset("slt", "CMU slt, pitch raised by 18 %, a little faster", pitch=1.18, length=0.95)
RMS_DEEP: Final = Preset("rms", "CMU rms, pitch lowered by 18 %, a little slower", pitch=0.82, length=1.05)

PRESETS: Final = {
    "alloy": SLT,
    "ash": RMS,
    "ballad": AWB,
    "cedar": RMS,
    "coral": SLT,
    "echo": RMS,
    "fable": AWB,
    "marin": SLT,
    "nova": SLT_BRIGHT,
    "onyx": RMS_DEEP,
    "sage": SLT,
    "shimmer": SLT_BRIGHT,
    "verse": KAL,
}
VOICES: Final = tuple(VoiceInfo(name, preset.description, "en") for name, preset in PRESETS.items())
