"""One speech replica as Ray Serve hosts it: recognizer and synthesizer, apart from the gateways, whose streams they would delay.

A plain class, to be made a deployment of. Utterances that are heard live on one replica: ``listen`` opens one and lasts as long as
it does, so that Serve counts it, scales by it and drains it; ``feed``, ``settle`` and ``finish`` must reach the same replica
(``speech/serve_calls``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from cluster.config.settings.speech import SpeechSettings
from cluster.errors import OssatureError
from cluster.speech import stack, wire
from cluster.speech.audio.pcm import samples_of
from cluster.speech.contract import SAMPLE_RATE_HZ, Recognition
from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.serve_ticket import SpeechTicket
from cluster.speech.stack import HostedRecognizer, HostedSynthesizer

logger = logging.getLogger("ossature.speech.replica")


@dataclass(slots=True)
class _Utterance:
    recognition: Recognition
    #: Calls for it that are being answered.
    calls: int = 0
    over: bool = False
    #: Set at the end of each of them.
    touched: asyncio.Event = field(default_factory=asyncio.Event)


class SpeechObserver(Protocol):
    """Told of what was done. Seconds of work have no waits for a worker's place in them where the recognizer knows better."""

    def recognized(self, audio_s: float, work_s: float) -> None: ...

    def spoken(self, audio_s: float, work_s: float) -> None: ...


class Unobserved:
    """Counts nothing."""

    def recognized(self, audio_s: float, work_s: float) -> None: ...

    def spoken(self, audio_s: float, work_s: float) -> None: ...


class SpeechReplica:
    """Hosts the recognizer and the synthesizer of the settings, unless others are given."""

    def __init__(
        self,
        settings: SpeechSettings,
        *,
        recognizer: HostedRecognizer | None = None,
        synthesizer: HostedSynthesizer | None = None,
        observer: SpeechObserver | None = None,
    ) -> None:
        self._settings = settings
        self._observer = observer or Unobserved()
        self._recognizer = recognizer or stack.recognizer(settings)
        self._candidates = [synthesizer] if synthesizer is not None else stack.synthesizers(settings)
        self._synthesizer: HostedSynthesizer | None = None
        self._started = False
        self._utterances: dict[str, _Utterance] = {}

    async def start(self) -> None:
        """Start both.

        Raises:
            SpeechUnavailable: one of them can't work here; the message says what is missing.
        """
        try:
            await self._recognizer.start()
            self._synthesizer = await self._voice()
        except BaseException:
            await self.stop()
            raise
        self._started = True

    async def _voice(self) -> HostedSynthesizer | None:
        try:
            return await stack.started_synthesizer(self._candidates)
        except SpeechUnavailable as unavailable:
            if self._settings.synthesizer != "auto":
                raise
            # Asked for whatever there is, and there is nothing: one that only listens is better than a cluster that doesn't start.
            logger.warning("no synthesizer: answers will be in writing. %s", unavailable.message)
            return None

    async def stop(self) -> None:
        """Drop all utterances and end all processes. Idempotent."""
        for utterance in self._utterances.values():
            utterance.over = True
            utterance.touched.set()
        await self._recognizer.stop()
        if self._synthesizer is not None:
            await self._synthesizer.stop()

    async def check_health(self) -> None:
        """Called by Serve. Raises when the replica is to be replaced."""
        if not self._started:
            raise SpeechUnavailable("this replica has not started")
        await self._recognizer.check_health()
        if self._synthesizer is not None:
            await self._synthesizer.check_health()

    async def abilities(self, ticket: SpeechTicket | None = None) -> bytes:
        """:class:`~cluster.speech.wire.Abilities`. No voices: this replica can't speak."""
        del ticket
        voices = self._synthesizer.voices if self._synthesizer is not None else ()
        return wire.encoded(wire.abilities(voices, self._recognizer.languages))

    async def speak(self, text: str, voice: str, speed: float, ticket: SpeechTicket | None = None) -> AsyncGenerator[bytes, None]:
        """:class:`~cluster.speech.wire.Spoken` chunks, or a fault. Closing the generator stops the work."""
        del ticket
        began, sent_s, samples = time.perf_counter(), 0.0, 0
        try:
            async with aclosing(self._speaker().speak(text, voice=voice, speed=speed)) as chunks:
                async for chunk in chunks:
                    samples += samples_of(chunk.pcm)
                    sending = time.perf_counter()
                    yield wire.encoded(wire.spoken(chunk))
                    sent_s += time.perf_counter() - sending
            if samples:
                self._observer.spoken(samples / SAMPLE_RATE_HZ, time.perf_counter() - began - sent_s)
        except OssatureError as error:
            yield wire.encoded(wire.fault_of(error))

    async def listen(
        self,
        utterance_id: str,
        rate_hz: int,
        language: str | None,
        prompt: str | None,
        live: bool,
        ticket: SpeechTicket | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Open an utterance: says ``Opened`` (or a fault) and lasts until it is finished or nobody has touched it for long.

        Closing the generator drops it.
        """
        del ticket
        try:
            recognition = self._recognizer.open(rate_hz=rate_hz, language=language, prompt=prompt, live=live)
        except OssatureError as error:
            yield wire.encoded(wire.fault_of(error))
            return
        utterance = self._utterances[utterance_id] = _Utterance(recognition)
        # A task, since a generator stands still while nobody asks it for more.
        life = asyncio.create_task(self._live(utterance_id, utterance))
        try:
            yield wire.encoded(wire.Opened())
            await life
        finally:
            life.cancel()
            await asyncio.wait([life])

    async def feed(self, utterance_id: str, pcm: bytes, ticket: SpeechTicket | None = None) -> bytes:
        """Audio for an utterance that is open here: ``Taken``, or a fault."""
        del ticket
        try:
            with self._at_work(utterance_id) as utterance:
                await utterance.recognition.feed(pcm)
                return wire.encoded(wire.Taken())
        except OssatureError as error:
            return wire.encoded(wire.fault_of(error))

    async def settle(self, utterance_id: str, ticket: SpeechTicket | None = None) -> bytes:
        """The transcript so far, or a fault. See the contract."""
        del ticket
        try:
            with self._at_work(utterance_id) as utterance:
                return wire.encoded(wire.recognized(await utterance.recognition.settle()))
        except OssatureError as error:
            return wire.encoded(wire.fault_of(error))

    async def finish(self, utterance_id: str, ticket: SpeechTicket | None = None) -> bytes:
        """The transcript, or a fault; the utterance is over."""
        del ticket
        try:
            with self._at_work(utterance_id) as utterance:
                try:
                    transcript = await utterance.recognition.finish()
                    if transcript.work_s is not None and transcript.audio_ms:
                        self._observer.recognized(transcript.audio_ms / 1000, transcript.work_s)
                    return wire.encoded(wire.recognized(transcript))
                finally:
                    utterance.over = True
        except OssatureError as error:
            return wire.encoded(wire.fault_of(error))

    async def _live(self, utterance_id: str, utterance: _Utterance) -> None:
        """An utterance from its opening until it is over, left alone or cancelled."""
        try:
            await self._until_over(utterance_id, utterance)
        finally:
            self._utterances.pop(utterance_id, None)
            await utterance.recognition.close()

    async def _until_over(self, utterance_id: str, utterance: _Utterance) -> None:
        while not utterance.over:
            utterance.touched.clear()
            try:
                async with asyncio.timeout(self._settings.utterance_idle_timeout_s):
                    await utterance.touched.wait()
            except TimeoutError:
                if not utterance.calls:
                    logger.info("utterance %s was left alone and is dropped", utterance_id)
                    return

    @contextmanager
    def _at_work(self, utterance_id: str) -> Iterator[_Utterance]:
        utterance = self._utterances.get(utterance_id)
        if utterance is None:
            # Its replica died or gave it up; this may be another one.
            raise SpeechFailed("this utterance is no longer known", code="utterance_lost")
        utterance.calls += 1
        try:
            yield utterance
        finally:
            utterance.calls -= 1
            utterance.touched.set()

    def _speaker(self) -> HostedSynthesizer:
        if self._synthesizer is None:
            raise SpeechUnavailable("this cluster has no synthesizer")
        return self._synthesizer
