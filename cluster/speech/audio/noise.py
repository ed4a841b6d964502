"""Noise reduction of a session's microphone, on the way in: before voice activity, recognition and storage.

WebRTC's noise suppressor, which also takes out what lies below speech. ``near_field`` (headsets) suppresses moderately and leaves
the level alone; ``far_field`` (laptops, rooms) suppresses strongly and brings up quiet speech. It works at 16 kHz: what is above
8 kHz, where speech has little and recognizers hear nothing, is lost.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from webrtc_noise_gain import AudioProcessor

from cluster.speech.audio.resample import Resampler
from cluster.speech.contract import LISTENING_RATE_HZ, SAMPLE_RATE_HZ, Pcm

#: The suppressor's frame: 10 ms.
_FRAME_BYTES: Final = 2 * LISTENING_RATE_HZ // 100


class NoiseReduction(StrEnum):
    NEAR_FIELD = "near_field"
    FAR_FIELD = "far_field"


#: Suppression, 0 (off) to 4; target below full scale that the automatic gain works towards, in dB, 0: off.
_SUPPRESSION: Final = {NoiseReduction.NEAR_FIELD: 2, NoiseReduction.FAR_FIELD: 3}
_GAIN_DBFS: Final = {NoiseReduction.NEAR_FIELD: 0, NoiseReduction.FAR_FIELD: 6}


class NoiseReducer:
    """One session's microphone, at ``rate_hz``. As much comes out as goes in, up to 90 ms later."""

    def __init__(self, kind: NoiseReduction, *, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._processor = AudioProcessor(_GAIN_DBFS[kind], _SUPPRESSION[kind])
        self._down = Resampler(rate_hz, LISTENING_RATE_HZ)
        self._up = Resampler(LISTENING_RATE_HZ, rate_hz)
        self._waiting = b""

    def push(self, pcm: Pcm) -> Pcm:
        """The next piece, cleaned; it may be shorter than what was given, by what is still on the way.

        Raises:
            InvalidRequest: an odd number of bytes.
        """
        return self._cleaned(self._down.push(pcm))

    def end(self) -> Pcm:
        """The rest."""
        tail = self._down.end()
        missing = -(len(self._waiting) + len(tail)) % _FRAME_BYTES
        return self._cleaned(tail + bytes(missing)) + self._up.end()

    def _cleaned(self, pcm: Pcm) -> Pcm:
        self._waiting += pcm
        whole = len(self._waiting) // _FRAME_BYTES * _FRAME_BYTES
        frames = range(0, whole, _FRAME_BYTES)
        clean = b"".join(self._processor.Process10ms(self._waiting[at : at + _FRAME_BYTES]).audio for at in frames)
        self._waiting = self._waiting[whole:]
        return self._up.push(clean)
