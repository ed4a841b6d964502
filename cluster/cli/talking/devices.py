"""The microphone and the loudspeaker of this machine, where it has them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cluster.cli.output import CommandError
from cluster.cli.talking.playback import Playback
from cluster.speech.audio.resample import Resampler

RATE_HZ = 24_000
_BLOCK_S = 0.02
_BLOCK_BYTES = 2 * int(RATE_HZ * _BLOCK_S)
_INSTEAD = "Without sound devices, talk by files: ossature talk --wav in.wav --out out.wav"


@contextmanager
def microphone(pieces: asyncio.Queue[bytes]) -> Iterator[None]:
    """Puts PCM at 24 kHz into ``pieces``, about every 20 ms, on the event loop that runs now. Raises :class:`CommandError`."""
    devices = _sound()
    rate_hz = _rate(devices, "input")
    resampler = Resampler(rate_hz, RATE_HZ)
    loop = asyncio.get_running_loop()

    def heard(data: Any, frames: int, time: Any, status: Any) -> None:
        loop.call_soon_threadsafe(pieces.put_nowait, resampler.push(bytes(data)))

    with _opened(devices, devices.RawInputStream, rate_hz, heard):
        yield


@contextmanager
def loudspeaker(playback: Playback) -> Iterator[None]:
    """Plays what is in ``playback``, silence otherwise, and tells it how late it is heard. Raises :class:`CommandError`."""
    devices = _sound()
    rate_hz = _rate(devices, "output")
    resampler = Resampler(RATE_HZ, rate_hz)
    made = bytearray()

    def needed(data: Any, frames: int, time: Any, status: Any) -> None:
        size = len(data)
        while len(made) < size:
            # Silence goes through the resampler, too: it would hold the end of an answer back until the next one.
            made.extend(resampler.push(playback.pull(_BLOCK_BYTES).ljust(_BLOCK_BYTES, b"\0")))
        data[:] = bytes(made[:size])
        del made[:size]

    with _opened(devices, devices.RawOutputStream, rate_hz, needed) as stream:
        playback.delay_ms = round(stream.latency * 1000)
        yield


def _sound() -> Any:
    """PortAudio. It is looked for only now: the command works without it."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        # OSError: the package is there and the library behind it is not.
        raise CommandError(
            f"sound devices can't be used: {error}", next_step=f"Install PortAudio (libportaudio2). {_INSTEAD}"
        ) from error
    return sounddevice


def _rate(devices: Any, kind: str) -> int:
    """24 kHz where the device takes it, else its own rate."""
    try:
        found = devices.query_devices(kind=kind)
    except (ValueError, devices.PortAudioError) as error:
        what = "microphone" if kind == "input" else "loudspeaker"
        raise CommandError(f"this machine has no {what}: {error}", next_step=_INSTEAD) from error
    check = devices.check_input_settings if kind == "input" else devices.check_output_settings
    try:
        check(samplerate=RATE_HZ, channels=1, dtype="int16")
    except (ValueError, devices.PortAudioError):
        return int(found["default_samplerate"])
    return RATE_HZ


@contextmanager
def _opened(devices: Any, kind: Any, rate_hz: int, callback: Any) -> Iterator[Any]:
    block = int(rate_hz * _BLOCK_S)
    try:
        stream = kind(samplerate=rate_hz, channels=1, dtype="int16", blocksize=block, latency="low", callback=callback)
    except (ValueError, devices.PortAudioError) as error:
        raise CommandError(f"a sound device can't be opened: {error}", next_step=_INSTEAD) from error
    with stream:
        yield stream
