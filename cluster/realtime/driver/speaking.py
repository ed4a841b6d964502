"""One clause with the synthesizer, and the way of its audio to the client's format."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from cluster.realtime.driver.generating import Report, Room
from cluster.realtime.driver.listening import wire_format
from cluster.realtime.protocol import server_events as events
from cluster.realtime.protocol.audio import AudioFormat, Pcm
from cluster.realtime.protocol.server_events import ServerEvent
from cluster.realtime.session.actions import StartSpeech
from cluster.realtime.session.inputs import SpeechEnded, SpeechMade
from cluster.speech.audio.telephone import WireEncoder
from cluster.speech.contract import Synthesizer


async def speak(synthesizer: Synthesizer, action: StartSpeech, timeout_s: float, room: Room, report: Report) -> None:
    """Report the clause's audio, then its end. Cancelling stops the work.

    Raises :class:`~cluster.errors.OssatureError`, and ``TimeoutError`` when the next piece takes too long.
    """
    async with aclosing(synthesizer.speak(action.text, voice=action.voice, speed=action.speed)) as chunks:
        while True:
            await room()
            try:
                async with asyncio.timeout(timeout_s):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            report(SpeechMade(action.synthesis_id, chunk))
    report(SpeechEnded(action.synthesis_id))


class Mouth:
    """Turns the audio of events into the format that they are to be sent in. One encoder a response: its audio is one stream."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._encoders: dict[str, WireEncoder] = {}

    def coded(self, event: ServerEvent, audio_format: AudioFormat | None) -> list[ServerEvent]:
        """The event as it is to be sent; at the end of a response's audio, with the last of it before."""
        match event:
            case events.AudioDelta() if audio_format is not None and not isinstance(audio_format, Pcm):
                return self._delta(event, audio_format)
            case events.AudioDone():
                return [*self._rest(event), event]
            case _:
                return [event]

    def drop(self, response_id: str) -> None:
        """Nothing more of this response is to be heard."""
        self._encoders.pop(response_id, None)

    def _delta(self, event: events.AudioDelta, audio_format: AudioFormat) -> list[ServerEvent]:
        encoder = self._encoders.get(event.response_id)
        if encoder is None:
            encoder = self._encoders[event.response_id] = WireEncoder(wire_format(audio_format))
        data = encoder.push(event.delta)
        return [_with_audio(event, data, event.event_id)] if data else []

    def _rest(self, event: events.AudioDone) -> list[ServerEvent]:
        encoder = self._encoders.pop(event.response_id, None)
        data = encoder.end() if encoder is not None else b""
        return [_with_audio(event, data, self._new_id("event"))] if data else []


def _with_audio(event: events.AudioDelta | events.AudioDone, data: bytes, event_id: str) -> events.AudioDelta:
    return events.AudioDelta(
        event_id=event_id,
        response_id=event.response_id,
        output_index=event.output_index,
        item_id=event.item_id,
        content_index=event.content_index,
        delta=data,
    )
