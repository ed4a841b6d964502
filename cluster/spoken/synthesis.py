"""Text to speech, as ``POST /v1/audio/speech`` asks for it: a file, in pieces, each as soon as it is made."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from cluster.identity.principal import Principal
from cluster.inference.service import Call
from cluster.speech.audio.pcm import ms_of, samples_of
from cluster.speech.tokens import spoken_tokens, text_tokens
from cluster.spoken.account import accounted
from cluster.spoken.clock import deadline_in, until
from cluster.spoken.encoding import PieceEncoder
from cluster.spoken.speech import SYNTHESIS_MODELS, Speech, check_model
from cluster.spoken.speech_request import SpeechRequest
from cluster.spoken.voices import voice_id
from cluster.telemetry import labels

_SURFACE = "speech"


@dataclass(slots=True)
class SpeechUsage:
    """Tokens of :mod:`cluster.speech.tokens`, known when the speech has ended."""

    input_tokens: int = 0
    output_tokens: int = 0


class Synthesis:
    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    async def speak(
        self, principal: Principal, request: SpeechRequest, call: Call, usage: SpeechUsage
    ) -> AsyncGenerator[bytes, None]:
        """The pieces of the file in a row, none of them empty. ``usage`` is complete when they have ended.

        Raises:
            ModelNotFound: of another name than those that are offered.
            InvalidRequest: what the synthesizer refuses.
            RateLimited: the organization has as many requests in progress as it may have.
            DeadlineExceeded: it took too long.
        """
        began = time.perf_counter()
        async with accounted(self._speech.recorder, principal, labels.TEXT_TO_SPEECH, call.edge) as account:
            check_model(request.model, SYNTHESIS_MODELS)
            synthesizer = self._speech.speaker()
            voice = voice_id(synthesizer, request.voice, param="voice")
            samples = 0
            with self._speech.limit.acquire(principal.org_id):
                encoder = PieceEncoder(request.format)
                chunks = synthesizer.speak(request.text, voice=voice, speed=request.speed)
                async with aclosing(until(deadline_in(self._speech.request_timeout_s), chunks)) as timely:
                    async for chunk in timely:
                        if chunk.pcm and not samples:
                            self._speech.observer.first_audio(_SURFACE, time.perf_counter() - began)
                        samples += samples_of(chunk.pcm)
                        if piece := await encoder.push(chunk.pcm):
                            yield piece
                if piece := await encoder.end():
                    yield piece
            audio_ms = ms_of(samples)
            self._speech.observer.spoke(_SURFACE, audio_ms / 1000)
            usage.input_tokens = account.input_tokens = text_tokens(request.text)
            usage.output_tokens = account.output_tokens = spoken_tokens(audio_ms)
