"""Other sample rates, by soxr: for streams and for whole recordings."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from cluster.errors import InvalidRequest
from cluster.speech.audio.pcm import as_float, check_whole_samples, from_float
from cluster.speech.contract import Pcm

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 48_000
#: Flat up to 0.94 of the lower rate's band, which recognizers notice: 40 ms until the first output.
_STREAM_QUALITY = "MQ"
#: Interpolation without a filter, and without delay: what lies above the band is folded into it, which the network that tells
#: speech from silence does not mind (hiss of 8 to 12 kHz and tones there stay silence to it, speech under such hiss speech).
_QUICK_QUALITY = "QQ"
_QUALITY = "HQ"


def check_rate(rate_hz: int, *, param: str = "rate") -> None:
    """Raises:
    InvalidRequest: a rate out of range.
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise InvalidRequest(f"the sample rate must lie between {MIN_RATE_HZ} and {MAX_RATE_HZ} Hz", param=param)


class Resampler:
    """A stream of PCM at another rate. Output lags behind (about 40 ms until the first of it) but is not shifted in time.

    Equal rates pass through. It computes in floats: on integers soxr dithers, and the output would depend on how the input is cut.

    Raises:
        InvalidRequest: a rate out of range, or an odd number of bytes.
    """

    def __init__(self, from_hz: int, to_hz: int, *, quick: bool = False) -> None:
        """``quick``: next to no delay, and the highest frequencies are folded down. To detect speech, not to recognize it."""
        check_rate(from_hz)
        check_rate(to_hz)
        self._stream = None
        if from_hz != to_hz:
            quality = _QUICK_QUALITY if quick else _STREAM_QUALITY
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)

    def push(self, pcm: Pcm) -> Pcm:
        """What comes out for the next piece; often a little less or more than its share."""
        check_whole_samples(pcm)
        return pcm if self._stream is None or not pcm else from_float(self.push_floats(pcm))

    def push_floats(self, pcm: Pcm) -> NDArray[np.float32]:
        """The same as samples in [-1, 1], or a little beyond: shape (samples,)."""
        check_whole_samples(pcm)
        samples = as_float(pcm)
        return samples if self._stream is None or not pcm else self._stream.resample_chunk(samples)

    def end(self) -> Pcm:
        """The rest of the output. The stream takes nothing after it."""
        if self._stream is None:
            return b""
        return from_float(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))


def resample(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """A whole recording at another rate.

    Raises:
        InvalidRequest: a rate out of range, or an odd number of bytes.
    """
    check_rate(from_hz)
    check_rate(to_hz)
    check_whole_samples(pcm)
    if from_hz == to_hz or not pcm:
        return pcm
    return from_float(soxr.resample(as_float(pcm), from_hz, to_hz, quality=_QUALITY))
