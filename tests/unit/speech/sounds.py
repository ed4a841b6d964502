"""Sounds for tests, made or recorded; 24 kHz unless said otherwise."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from cluster.speech.audio.files import decode
from cluster.speech.audio.pcm import from_float

DATA = Path(__file__).resolve().parents[2] / "data" / "speech"
STRAWBERRIES = "i would like to order four hundred strawberries"


def tone(seconds: float, *, hz: float = 440.0, level: float = 0.3, rate_hz: int = 24_000) -> bytes:
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    return from_float(level * np.sin(2 * np.pi * hz * times))


def silence(seconds: float, *, rate_hz: int = 24_000) -> bytes:
    return bytes(2 * int(seconds * rate_hz))


def noise(seconds: float, *, level: float = 0.02, rate_hz: int = 24_000, seed: int = 1) -> bytes:
    return from_float(np.random.default_rng(seed).normal(0.0, level, int(seconds * rate_hz)))


def hiss(seconds: float, *, level: float = 0.02, rate_hz: int = 24_000, seed: int = 1) -> bytes:
    """Noise above 8 kHz alone."""
    count = int(seconds * rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0.0, 1.0, count))
    spectrum[np.fft.rfftfreq(count, 1 / rate_hz) < 8_200] = 0
    samples = np.fft.irfft(spectrum, count)
    return from_float(level * samples / samples.std())


@cache
def strawberries() -> bytes:
    """A sentence (:data:`STRAWBERRIES`), 3.04 s."""
    return decode((DATA / "strawberries.flac").read_bytes(), max_s=10)


def pieces(pcm: bytes, samples: int = 480) -> list[bytes]:
    """As a client sends it: 20 ms at a time."""
    return [pcm[at : at + 2 * samples] for at in range(0, len(pcm), 2 * samples)]


def level(pcm: bytes) -> float:
    """Root mean square, of full scale."""
    return float(np.sqrt(np.mean((np.frombuffer(pcm, "<i2") / 32768.0) ** 2)))


def pitch_hz(pcm: bytes, rate_hz: int) -> float:
    """The strongest frequency."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * rate_hz / len(samples))
