"""Microphone and loudspeaker, and machines that lack them."""

from __future__ import annotations

import asyncio
import builtins
import sys
from typing import Any

import numpy as np
import pytest

from cluster.cli.output import CommandError
from cluster.cli.talking.devices import loudspeaker, microphone
from cluster.cli.talking.playback import Playback
from tests.unit.cli.fake_sounddevice import FakeSoundDevice


def installed(monkeypatch: pytest.MonkeyPatch, **given: Any) -> FakeSoundDevice:
    devices = FakeSoundDevice(**given)
    monkeypatch.setitem(sys.modules, "sounddevice", devices)
    return devices


def tone(samples: int, rate_hz: int) -> bytes:
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(samples) / rate_hz)).astype("<i2").tobytes()


@pytest.mark.parametrize("rate_hz", [24_000, 48_000, 44_100])
async def test_microphone_gives_24_khz_whatever_its_rate(monkeypatch: pytest.MonkeyPatch, rate_hz: int) -> None:
    devices = installed(monkeypatch, rate_hz=rate_hz)
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    with microphone(pieces):
        said = tone(rate_hz, rate_hz)
        for start in range(0, len(said), rate_hz // 25):
            await asyncio.to_thread(devices.say, said[start : start + rate_hz // 25])
        await asyncio.sleep(0.01)
        assert devices.streams[0].running
    assert not devices.streams[0].running
    heard = b"".join(pieces.get_nowait() for _ in range(pieces.qsize()))
    assert len(heard) / 48_000 == pytest.approx(1.0, abs=0.06)
    spectrum = np.abs(np.fft.rfft(np.frombuffer(heard, "<i2")[:12_000]))
    assert spectrum.argmax() * 2 == pytest.approx(440, abs=4)


@pytest.mark.parametrize("rate_hz", [24_000, 48_000])
def test_loudspeaker_plays_at_its_own_rate_and_silence_when_there_is_nothing(monkeypatch: pytest.MonkeyPatch, rate_hz: int) -> None:
    devices, playback = installed(monkeypatch, rate_hz=rate_hz), Playback()
    with loudspeaker(playback):
        assert playback.delay_ms == 30
        assert devices.play(960) == bytes(960)
        playback.push("item", 0, tone(24_000, 24_000))
        playback.finish("item", 0)
        played = b"".join(devices.play(rate_hz // 25) for _ in range(60))
    samples = np.frombuffer(played, "<i2")
    assert np.count_nonzero(samples) / rate_hz == pytest.approx(1.0, abs=0.06)
    assert playback.idle


def test_missing_library_names_what_to_install_and_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CommandError, match="PortAudio library not found") as caught, loudspeaker(Playback()):
        pass
    assert "libportaudio2" in (caught.value.next_step or "")
    assert "--wav" in (caught.value.next_step or "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"missing": frozenset({"input"})}, "no microphone"),
        ({"missing": frozenset({"output"})}, "no loudspeaker"),
        ({"broken": True}, "can't be opened"),
    ],
)
async def test_missing_device_says_which_and_what_to_do_instead(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], words: str
) -> None:
    installed(monkeypatch, **given)
    with pytest.raises(CommandError, match=words) as caught, loudspeaker(Playback()), microphone(asyncio.Queue()):
        pass
    assert "--wav" in (caught.value.next_step or "")
