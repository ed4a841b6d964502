"""PortAudio as far as it is used: a microphone that says what it is given, a loudspeaker that remembers what it played."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class PortAudioError(Exception):
    pass


@dataclass
class Stream:
    devices: FakeSoundDevice
    kind: str
    samplerate: int
    callback: Any
    latency: float = 0.03
    running: bool = False

    def __enter__(self) -> Stream:
        self.running = True
        return self

    def __exit__(self, *_: object) -> None:
        self.running = False


@dataclass
class FakeSoundDevice:
    """``rate_hz``: the only one that its devices take. ``missing``: kinds of devices that it does not have."""

    rate_hz: int = 24_000
    missing: frozenset[str] = frozenset()
    broken: bool = False
    streams: list[Stream] = field(default_factory=list)
    PortAudioError: type[Exception] = PortAudioError

    def query_devices(self, kind: str) -> dict[str, Any]:
        if kind in self.missing:
            raise ValueError(f"No {kind} device matching")
        return {"default_samplerate": float(self.rate_hz)}

    def check_input_settings(self, samplerate: int, **_: object) -> None:
        if samplerate != self.rate_hz:
            raise PortAudioError("Invalid sample rate")

    check_output_settings = check_input_settings

    def RawInputStream(self, **given: Any) -> Stream:
        return self._stream("input", given)

    def RawOutputStream(self, **given: Any) -> Stream:
        return self._stream("output", given)

    def _stream(self, kind: str, given: dict[str, Any]) -> Stream:
        if self.broken:
            raise PortAudioError("Device unavailable")
        stream = Stream(self, kind, given["samplerate"], given["callback"])
        self.streams.append(stream)
        return stream

    def say(self, pcm: bytes) -> None:
        for stream in self.streams:
            if stream.kind == "input":
                stream.callback(pcm, len(pcm) // 2, None, None)

    def play(self, size_bytes: int) -> bytes:
        (stream,) = [stream for stream in self.streams if stream.kind == "output"]
        data = bytearray(size_bytes)
        stream.callback(memoryview(data), size_bytes // 2, None, None)
        return bytes(data)
