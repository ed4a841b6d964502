"""What the beta dialect calls by other names."""

from __future__ import annotations

from typing import Any, Final

FORMATS: Final[dict[str, dict[str, Any]]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
FORMAT_NAMES: Final = {str(form["type"]): name for name, form in FORMATS.items()}

#: Fields of the flat session, and where the GA session has them.
SESSION_PLACES: Final[dict[str, tuple[str, ...]]] = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
}
RESPONSE_PLACES: Final[dict[str, tuple[str, ...]]] = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "voice": ("audio", "output", "voice"),
    "output_audio_format": ("audio", "output", "format"),
}
#: Event families.
EVENTS: Final = {
    "response.output_text.": "response.text.",
    "response.output_audio_transcript.": "response.audio_transcript.",
    "response.output_audio.": "response.audio.",
}
PARTS: Final = {"output_text": "text", "output_audio": "audio"}
PARTS_IN: Final = {beta: ga for ga, beta in PARTS.items()}


def param(name: str | None) -> str | None:
    """A field's name in GA terms, as a beta client knows it."""
    if name is None:
        return None
    for root, places in (("session", SESSION_PLACES), ("response", RESPONSE_PLACES)):
        for beta, steps in places.items():
            ga = ".".join((root, *steps))
            if name == ga or name.startswith(ga + "."):
                rest = name[len(ga) :]
                return f"{root}.{beta}" if beta.endswith("_format") else f"{root}.{beta}{rest}"
    return name
