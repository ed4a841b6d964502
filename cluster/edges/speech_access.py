"""Speech as one gateway has it: voice activity in its own process, recognizer and synthesizer in the speech deployment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from cluster.config.settings.speech import SpeechSettings
from cluster.errors import OssatureError
from cluster.realtime.driver.local_ears import speech_stack
from cluster.realtime.driver.speech import SpeechStack
from cluster.speech.contract import VoiceActivityDetector
from cluster.speech.remote import Catalogue, RemoteRecognizer, RemoteSynthesizer, SpeechCalls
from cluster.speech.silero.model import SileroModel, SileroVad

_log = logging.getLogger(__name__)

_RETRY_S = 1.0


class SpeechAccess:
    """``stack`` has voices as soon as a replica has said what it can do: when ``learning`` is done."""

    def __init__(self, settings: SpeechSettings, calls: SpeechCalls, vad: SileroModel) -> None:
        self._calls = calls
        self._default_voice = settings.default_voice
        self.catalogue = Catalogue()
        self.vad: Callable[[], VoiceActivityDetector] = lambda: SileroVad(vad)
        self.stack: SpeechStack = speech_stack(
            RemoteRecognizer(calls, self.catalogue, max_audio_s=settings.max_utterance_s),
            RemoteSynthesizer(calls, self.catalogue, max_chars=settings.max_text_chars),
            self.vad,
            default_voice=settings.default_voice,
        )
        self.learning = asyncio.create_task(self._learn(), name="learn-speech")

    @classmethod
    async def opened(cls, settings: SpeechSettings, calls: SpeechCalls) -> SpeechAccess:
        """Raises:
        SpeechUnavailable: there is no network for voice activity on this node.
        """
        return cls(settings, calls, await asyncio.to_thread(SileroModel, settings.vad_model))

    async def close(self) -> None:
        self.learning.cancel()
        await asyncio.wait([self.learning])

    async def _learn(self) -> None:
        while not self.catalogue.known:
            try:
                await self.catalogue.learn(self._calls)
            except OssatureError as error:
                _log.info("speech is not there yet: %s", error.message)
                await asyncio.sleep(_RETRY_S)
        names = [voice.id for voice in self.catalogue.voices]
        if names and self._default_voice not in names:
            _log.warning("speech.default_voice %r is no voice of the synthesizer; sessions get %r", self._default_voice, names[0])
        _log.info("speech is there; voices: %s", ", ".join(names) or "none, answers are in writing")
