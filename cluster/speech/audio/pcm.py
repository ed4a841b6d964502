"""16-bit little endian mono PCM: checks, lengths, conversion to and from arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cluster.errors import InvalidRequest
from cluster.speech.contract import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Pcm

_FULL_SCALE = 32768.0
_LOUDEST = 32767


def check_whole_samples(pcm: Pcm, *, param: str = "audio") -> None:
    """Raises:
    InvalidRequest: an odd number of bytes.
    """
    if len(pcm) % BYTES_PER_SAMPLE:
        raise InvalidRequest("16-bit audio must have an even number of bytes", param=param, code="invalid_audio")


def as_int16(pcm: Pcm) -> NDArray[np.int16]:
    """Shape (samples,), a read-only view of the bytes."""
    return np.frombuffer(pcm, dtype="<i2")


def as_float(pcm: Pcm) -> NDArray[np.float32]:
    """Shape (samples,), values in [-1, 1)."""
    return np.multiply(as_int16(pcm), np.float32(1 / _FULL_SCALE), dtype=np.float32)


def from_float(samples: NDArray[np.floating]) -> Pcm:
    """PCM of samples in [-1, 1]; what lies outside is clipped, never wrapped."""
    scaled = np.rint(samples * _FULL_SCALE)
    return bytes(np.clip(scaled, -_FULL_SCALE, _LOUDEST).astype("<i2").tobytes())


def samples_of(pcm: bytes | bytearray) -> int:
    return len(pcm) // BYTES_PER_SAMPLE


def ms_of(samples: int, rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """Whole milliseconds of a number of samples, rounded down."""
    return samples * 1000 // rate_hz


def at_ms(ms: int, rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """The sample at a position in milliseconds."""
    return ms * rate_hz // 1000
