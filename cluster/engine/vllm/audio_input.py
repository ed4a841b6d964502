"""Audio in chat requests: decoded and at the model's own rate before vLLM sees it, and named for its organization.

vLLM would decode and resample with libraries that its CPU build comes without, and keeps what it has heard under a name made of
the audio alone. The name given here is made of the organization's salt, too, so that none of vLLM's caches leads from one
organization to another.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
from typing import Any, Final

from cluster.engine.vllm.faults import BadPart
from cluster.engine.vllm.media import MakeReady, Part
from cluster.errors import OssatureError
from cluster.speech.audio import files

#: As much as vLLM itself takes of one part. A model may hear less of it.
_MAX_S: Final = 600.0
#: Shorter audio is filled up with silence: models can't place less than a few frames.
_LEAST_S: Final = 0.1
PART: Final = "input_audio"


def listening_rate_hz(llm: Any) -> int | None:
    """The rate at which a started engine's model hears; None: it doesn't."""
    processor = llm.renderer.mm_processor
    if processor is None or "audio" not in processor.info.supported_mm_limits:
        return None
    rate_hz = processor.data_parser.audio_resampler.target_sr
    return None if rate_hz is None else int(rate_hz)


def decoder(rate_hz: int) -> MakeReady:
    """Makes ``input_audio`` parts WAV at ``rate_hz``."""
    return functools.partial(_decoded, rate_hz=rate_hz)


def _decoded(part: Part, place: str, salt: str, *, rate_hz: int) -> Part:
    given = part.get(PART)
    data = given.get("data") if isinstance(given, dict) else None
    if not isinstance(data, str) or not data:
        raise BadPart(f"{place}.data", "Audio must be given as a base64 string.")
    try:
        pcm = files.decode(base64.b64decode(data, validate=True), max_s=_MAX_S, param=place, rate_hz=rate_hz)
    except (binascii.Error, ValueError) as error:
        raise BadPart(f"{place}.data", "This is no base64.") from error
    except OssatureError as error:
        raise BadPart(place, error.message) from error
    pcm = pcm.ljust(2 * int(_LEAST_S * rate_hz), b"\0")
    wav = files.wav_header(len(pcm), rate_hz) + pcm
    name = hmac.new(salt.encode(), pcm, hashlib.sha256).hexdigest()
    return {"type": PART, PART: {"data": base64.b64encode(wav).decode(), "format": "wav"}, "uuid": name}
