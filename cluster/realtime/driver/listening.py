"""One session's microphone: from what its client sends to clean PCM, and from that to turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from cluster.errors import InvalidRequest
from cluster.realtime.driver.speech import Cleaner, Ears, SpeechStack
from cluster.realtime.protocol.audio import AudioFormat, Pcma, Pcmu, SemanticVad, TurnDetection
from cluster.realtime.protocol.items import Message, Part
from cluster.realtime.protocol.structs import UNSET
from cluster.speech.audio.telephone import WireDecoder, WireFormat
from cluster.speech.contract import SpeechMaybeEnded, SpeechResumed, SpeechStarted, SpeechStopped, TurnEvent
from cluster.speech.turns.settings import Eagerness, ServerVad, TurnSettings
from cluster.speech.turns.settings import SemanticVad as SemanticSettings

SLICE_BYTES = 4800
"""100 ms. A client may send minutes at once: in slices, nobody else waits for more than a slice's work."""


class Listening:
    def __init__(self, stack: SpeechStack) -> None:
        self._stack = stack
        self._decoder: WireDecoder | None = None
        self._format: WireFormat | None = None
        self._cleaner: Cleaner | None = None
        self._cleaning: str | None = None
        self._ears: Ears | None = None
        self._offset_ms = 0

    def configure(self, detection: TurnDetection | None, noise_reduction: str | None, heard_ms: int) -> None:
        """``heard_ms``: all audio of the session so far; a detector that starts now counts from there."""
        if noise_reduction != self._cleaning:
            self._cleaning = noise_reduction
            make = self._stack.cleaner
            self._cleaner = make(noise_reduction) if make is not None and noise_reduction is not None else None
        if detection is None or self._stack.ears is None:
            self._ears = None
        elif self._ears is None:
            self._ears = self._stack.ears(turn_settings(detection))
            self._offset_ms = heard_ms
        else:
            self._ears.configure(turn_settings(detection))
            self._ears.restart()

    def restart(self) -> None:
        if self._ears is not None:
            self._ears.restart()

    def judge(self, finished: float) -> None:
        if self._ears is not None:
            self._ears.judge(finished)

    def slices(self, data: bytes, audio_format: AudioFormat) -> Iterator[bytes]:
        """A client's audio as PCM at 24 kHz, clean, in pieces of at most :data:`SLICE_BYTES`.

        Raises :class:`~cluster.errors.InvalidRequest` for half a sample.
        """
        pcm = self._decoded(data, audio_format)
        for start in range(0, len(pcm), SLICE_BYTES):
            piece = pcm[start : start + SLICE_BYTES]
            yield self._cleaner.push(piece) if self._cleaner is not None else piece

    def turns(self, pcm: bytes) -> Sequence[TurnEvent]:
        """What is heard in the next audio, by its place in all audio of the session."""
        if self._ears is None or not pcm:
            return ()
        return [_moved(event, self._offset_ms) for event in self._ears.feed(pcm)]

    def _decoded(self, data: bytes, audio_format: AudioFormat) -> bytes:
        wire = wire_format(audio_format)
        if self._decoder is None or wire is not self._format:
            self._decoder, self._format = WireDecoder(wire), wire
        return self._decoder.push(data)


def wire_format(audio_format: AudioFormat) -> WireFormat:
    if isinstance(audio_format, Pcmu):
        return WireFormat.MULAW
    return WireFormat.ALAW if isinstance(audio_format, Pcma) else WireFormat.PCM


def item_as_pcm(item: Message, audio_format: AudioFormat) -> Message:
    """A client's message with its audio as PCM at 24 kHz. Raises :class:`~cluster.errors.InvalidRequest` for half a sample."""
    return msgspec.structs.replace(item, content=[_part_as_pcm(part, audio_format) for part in item.content])


def _part_as_pcm(part: Part, audio_format: AudioFormat) -> Part:
    if part.audio is UNSET:
        return part
    try:
        return msgspec.structs.replace(part, audio=WireDecoder(wire_format(audio_format)).push(part.audio))
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param="item.content", code=error.code) from None


def turn_settings(detection: TurnDetection) -> TurnSettings:
    if isinstance(detection, SemanticVad):
        return SemanticSettings(eagerness=Eagerness(detection.eagerness))
    return ServerVad(
        threshold=detection.threshold,
        prefix_padding_ms=detection.prefix_padding_ms,
        silence_duration_ms=detection.silence_duration_ms,
    )


def _moved(event: TurnEvent, offset_ms: int) -> TurnEvent:
    match event:
        case SpeechStarted():
            return SpeechStarted(event.at_ms + offset_ms)
        case SpeechMaybeEnded():
            return SpeechMaybeEnded(event.at_ms + offset_ms)
        case SpeechResumed():
            return SpeechResumed(event.at_ms + offset_ms)
        case SpeechStopped():
            return SpeechStopped(event.at_ms + offset_ms)
