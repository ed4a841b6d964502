"""G.711: 8 kHz telephone audio as µ-law (``audio/pcmu``) and A-law (``audio/pcma``), a byte a sample.

The tables follow ITU-T G.711 with the usual 14 and 13 bit integers, so that every code equals that of other implementations; one
closed formula on 16 bit samples would round 268 of the 65,536 values another way.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.speech.audio.pcm import as_int16, check_whole_samples
from cluster.speech.contract import Pcm

G711_RATE_HZ: Final = 8_000

_SEGMENT_BITS: Final = 4
_LOW_BITS: Final = 0x0F
#: Added to magnitudes of 14 bits, so that segments begin at powers of two.
_MULAW_BIAS: Final = 33
_MULAW_LOUDEST: Final = 8_158


def _all_samples() -> NDArray[np.int32]:
    """Every 16 bit sample, in the order of the encoding tables."""
    return np.arange(-32768, 32768, dtype=np.int32)


def _segments(magnitude: NDArray[np.int32], first_end: int) -> NDArray[np.int32]:
    """The segment of each magnitude: segment 0 ends at ``first_end``, each next one at twice that and one."""
    ends = (first_end + 1) * (1 << np.arange(8)) - 1
    return np.searchsorted(ends, magnitude).astype(np.int32)


def _mulaw_codes() -> NDArray[np.uint8]:
    samples = _all_samples() >> 2
    mask = np.where(samples < 0, 0x7F, 0xFF)
    magnitude = np.minimum(np.abs(samples), _MULAW_LOUDEST) + _MULAW_BIAS
    segment = _segments(magnitude, 0x3F)
    code = (segment << _SEGMENT_BITS) | ((magnitude >> (segment + 1)) & _LOW_BITS)
    return np.asarray(code ^ mask, dtype=np.uint8)


def _alaw_codes() -> NDArray[np.uint8]:
    samples = _all_samples() >> 3
    mask = np.where(samples < 0, 0x55, 0xD5)
    magnitude = np.where(samples < 0, -samples - 1, samples)
    segment = _segments(magnitude, 0x1F)
    code = (segment << _SEGMENT_BITS) | ((magnitude >> np.maximum(segment, 1)) & _LOW_BITS)
    return np.asarray(code ^ mask, dtype=np.uint8)


def _mulaw_samples() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8) & 0xFF
    magnitude = (((code & _LOW_BITS).astype(np.int32) << 3) + 4 * _MULAW_BIAS) << ((code & 0x70) >> _SEGMENT_BITS)
    return np.where(code & 0x80, 4 * _MULAW_BIAS - magnitude, magnitude - 4 * _MULAW_BIAS).astype(np.int16)


def _alaw_samples() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    low = (code & _LOW_BITS) << 4
    segment = (code & 0x70) >> _SEGMENT_BITS
    magnitude = np.where(segment == 0, low + 8, (low + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_MULAW_CODES: Final = _mulaw_codes()
_ALAW_CODES: Final = _alaw_codes()
_MULAW_SAMPLES: Final = _mulaw_samples()
_ALAW_SAMPLES: Final = _alaw_samples()


def encode_mulaw(pcm: Pcm) -> bytes:
    """µ-law of PCM at 8 kHz.

    Raises:
        InvalidRequest: an odd number of bytes.
    """
    return _encode(pcm, _MULAW_CODES)


def encode_alaw(pcm: Pcm) -> bytes:
    """A-law of PCM at 8 kHz.

    Raises:
        InvalidRequest: an odd number of bytes.
    """
    return _encode(pcm, _ALAW_CODES)


def decode_mulaw(codes: bytes) -> Pcm:
    """PCM at 8 kHz."""
    return _decode(codes, _MULAW_SAMPLES)


def decode_alaw(codes: bytes) -> Pcm:
    """PCM at 8 kHz."""
    return _decode(codes, _ALAW_SAMPLES)


def _encode(pcm: Pcm, codes: NDArray[np.uint8]) -> bytes:
    check_whole_samples(pcm)
    return bytes(codes[as_int16(pcm).astype(np.int32) + 32768].tobytes())


def _decode(codes: bytes, samples: NDArray[np.int16]) -> Pcm:
    return bytes(samples[np.frombuffer(codes, dtype=np.uint8)].astype("<i2").tobytes())
