"""The voice that a request names."""

from __future__ import annotations

from cluster.inference.requests.sound import VoiceReference
from cluster.speech.contract import Synthesizer
from cluster.speech.errors import VoiceNotFound
from cluster.speech.speaking import check_voice


def voice_id(synthesizer: Synthesizer, voice: str | VoiceReference, *, param: str) -> str:
    """The voice's id. A reference may name the same voices as a string. Raises :class:`VoiceNotFound`."""
    name = voice if isinstance(voice, str) else voice.id
    try:
        check_voice(name, (known.id for known in synthesizer.voices))
    except VoiceNotFound as error:
        raise VoiceNotFound(error.message, param=param) from None
    return name
