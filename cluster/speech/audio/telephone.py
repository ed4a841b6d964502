"""The audio formats of a realtime session, on the wire and inside: PCM as it is, G.711 at 8 kHz, both as streams."""

from __future__ import annotations

from enum import StrEnum

from cluster.speech.audio import g711
from cluster.speech.audio.pcm import check_whole_samples
from cluster.speech.audio.resample import Resampler
from cluster.speech.contract import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Pcm


class WireFormat(StrEnum):
    """Names of the current protocol; the older one calls them ``pcm16``, ``g711_ulaw`` and ``g711_alaw``."""

    PCM = "audio/pcm"
    MULAW = "audio/pcmu"
    ALAW = "audio/pcma"

    @property
    def bytes_per_s(self) -> int:
        return SAMPLE_RATE_HZ * BYTES_PER_SAMPLE if self is WireFormat.PCM else g711.G711_RATE_HZ


class WireDecoder:
    """From what a client sends to PCM at 24 kHz, piece by piece."""

    def __init__(self, wire: WireFormat) -> None:
        self._wire = wire
        self._resampler = Resampler(SAMPLE_RATE_HZ if wire is WireFormat.PCM else g711.G711_RATE_HZ, SAMPLE_RATE_HZ)

    def push(self, data: bytes) -> Pcm:
        """Raises:
        InvalidRequest: half a sample (``audio/pcm``).
        """
        if self._wire is WireFormat.PCM:
            check_whole_samples(data)
            return data
        decode = g711.decode_mulaw if self._wire is WireFormat.MULAW else g711.decode_alaw
        return self._resampler.push(decode(data))


class WireEncoder:
    """From PCM at 24 kHz to what a client gets, piece by piece. :meth:`end` gives the last piece."""

    def __init__(self, wire: WireFormat) -> None:
        self._wire = wire
        self._resampler = Resampler(SAMPLE_RATE_HZ, SAMPLE_RATE_HZ if wire is WireFormat.PCM else g711.G711_RATE_HZ)

    def push(self, pcm: Pcm) -> bytes:
        return self._coded(self._resampler.push(pcm))

    def end(self) -> bytes:
        return self._coded(self._resampler.end())

    def _coded(self, pcm: Pcm) -> bytes:
        if self._wire is WireFormat.PCM:
            return pcm
        return g711.encode_mulaw(pcm) if self._wire is WireFormat.MULAW else g711.encode_alaw(pcm)
