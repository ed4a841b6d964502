"""Recognizer and synthesizer of another process, behind the same contracts: what gateways use.

:class:`SpeechCalls` is how a replica is reached; ``speech/serve_calls`` goes through Ray Serve.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol

from cluster.errors import OssatureError
from cluster.speech import wire
from cluster.speech.audio.pcm import check_whole_samples, samples_of
from cluster.speech.audio.resample import check_rate
from cluster.speech.contract import SAMPLE_RATE_HZ, Pcm, SpokenChunk, Transcript, VoiceInfo
from cluster.speech.errors import AudioTooLong, SpeechFailed
from cluster.speech.listening import check_language
from cluster.speech.serve_ticket import SpeechTicket
from cluster.speech.speaking import check_order

#: Audio of one call: what a call costs is then little beside what its audio costs to decode.
_PIECE_S: Final = 0.12


class SpeechCalls(Protocol):
    """The methods of a :class:`~cluster.speech.deployment.SpeechReplica` from afar.

    Both raise :class:`~cluster.errors.Overloaded` when no replica takes the call and
    :class:`~cluster.speech.errors.SpeechFailed` when its replica is lost.
    """

    def stream(self, method: str, *arguments: Any, ticket: SpeechTicket) -> AsyncGenerator[bytes, None]:
        """The items of a streaming method. Closing the generator cancels the call."""
        ...

    async def call(self, method: str, *arguments: Any, ticket: SpeechTicket) -> bytes: ...


class Catalogue:
    """What the replicas can do: nothing until :meth:`learn` has asked one. They are all alike, and don't change while they live."""

    def __init__(self) -> None:
        self.voices: tuple[VoiceInfo, ...] = ()
        self.languages: tuple[str, ...] = ()
        self.known = False

    async def learn(self, calls: SpeechCalls) -> None:
        """Raises what ``calls`` does."""
        reply = wire.decoded(await calls.call("abilities", ticket=SpeechTicket()))
        if not isinstance(reply, wire.Abilities):
            raise SpeechFailed("the speech replica did not say what it can do")
        self.voices, self.languages, self.known = wire.voices_of(reply), tuple(reply.languages), True


class RemoteSynthesizer:
    def __init__(self, calls: SpeechCalls, catalogue: Catalogue, *, max_chars: int) -> None:
        """``max_chars``: as configured for the replicas."""
        self._calls = calls
        self._catalogue = catalogue
        self._max_chars = max_chars

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return self._catalogue.voices

    async def speak(self, text: str, *, voice: str, speed: float = 1.0) -> AsyncGenerator[SpokenChunk, None]:
        check_order(text, voice, speed, {known.id for known in self.voices}, self._max_chars)
        async with aclosing(self._calls.stream("speak", text, voice, speed, ticket=SpeechTicket())) as items:
            async for item in items:
                reply = wire.decoded(item)
                if isinstance(reply, wire.Spoken):
                    yield wire.chunk_of(reply)


class RemoteRecognizer:
    def __init__(self, calls: SpeechCalls, catalogue: Catalogue, *, max_audio_s: float) -> None:
        """``max_audio_s``: longest utterance, as configured for the replicas."""
        self._calls = calls
        self._catalogue = catalogue
        self._max_audio_s = max_audio_s

    @property
    def languages(self) -> Sequence[str]:
        return self._catalogue.languages

    def open(
        self, *, rate_hz: int = SAMPLE_RATE_HZ, language: str | None = None, prompt: str | None = None, live: bool = True
    ) -> RemoteRecognition:
        check_language(language, self.languages)
        check_rate(rate_hz)
        order = (rate_hz, language, prompt, live)
        return RemoteRecognition(self._calls, order, int(self._max_audio_s * rate_hz), int(_PIECE_S * rate_hz))


class RemoteRecognition:
    """One utterance. The replica is asked for when there is audio enough to send, and is sent it in the background."""

    def __init__(
        self, calls: SpeechCalls, order: tuple[int, str | None, str | None, bool], max_samples: int, piece_samples: int
    ) -> None:
        self._calls = calls
        self._order = order
        self._max_samples = max_samples
        self._piece_bytes = 2 * piece_samples
        self._id = f"utt_{secrets.token_hex(16)}"
        self._ticket = SpeechTicket()
        self._samples = 0
        self._pending = bytearray()
        self._listening: AsyncGenerator[bytes, None] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._settled: Transcript | None = None
        self._closed = False

    async def feed(self, pcm: Pcm) -> None:
        check_whole_samples(pcm)
        if self._closed:
            raise RuntimeError("fed after the end")
        self._samples += samples_of(pcm)
        if self._samples > self._max_samples:
            raise AudioTooLong(f"an utterance must not be longer than {self._max_samples / self._order[0]:g} s", param="audio")
        if pcm:
            self._settled = None
        self._pending += pcm
        if len(self._pending) >= self._piece_bytes and (self._sender is None or self._sender.done()):
            if self._sender is not None:
                self._sender.result()
            self._sender = asyncio.ensure_future(self._send())

    async def settle(self) -> Transcript:
        if self._settled is None:
            self._settled = await self._transcript("settle")
        return self._settled

    async def finish(self) -> Transcript:
        try:
            return self._settled or await self._transcript("finish")
        finally:
            await self.close()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._listening is not None:
            await self._listening.aclose()

    async def _transcript(self, method: str) -> Transcript:
        if self._sender is not None:
            await self._sender
        await self._send()
        reply = wire.decoded(await self._calls.call(method, self._id, ticket=self._ticket))
        if not isinstance(reply, wire.Recognized):
            raise SpeechFailed("the recognizer gave no transcript")
        return wire.transcript_of(reply)

    async def _send(self) -> None:
        if self._listening is None:
            self._listening = self._calls.stream("listen", self._id, *self._order, ticket=self._ticket)
            try:
                wire.decoded(await anext(self._listening))
            except StopAsyncIteration:
                raise SpeechFailed("the recognizer did not answer") from None
            except OssatureError:
                self._listening = None
                raise
        while self._pending:
            pcm = bytes(self._pending)
            self._pending.clear()
            wire.decoded(await self._calls.call("feed", self._id, pcm, ticket=self._ticket))
