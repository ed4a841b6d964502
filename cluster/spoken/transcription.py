"""Recordings to text, as ``POST /v1/audio/transcriptions`` asks for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from cluster.errors import InvalidRequest
from cluster.identity.principal import Principal
from cluster.inference.service import Call
from cluster.speech.audio.files import decode
from cluster.speech.audio.pcm import ms_of, samples_of
from cluster.speech.contract import Pcm, Recognizer
from cluster.speech.listening import check_language
from cluster.speech.tokens import heard_tokens, text_tokens
from cluster.speech.transcription.segments import Segment, transcribe
from cluster.spoken.account import accounted
from cluster.spoken.clock import deadline_in, until
from cluster.spoken.speech import RECOGNITION_MODELS, Speech, check_model
from cluster.spoken.threads import on_thread
from cluster.spoken.transcription_request import TranscriptionRequest
from cluster.telemetry import labels

_SURFACE = "transcription"


@dataclass(frozen=True, slots=True)
class Transcription:
    """``segments`` yields them as they are recognized; to be read to its end, once."""

    audio_ms: int
    segments: AsyncGenerator[Segment, None]


class Transcriber:
    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    @asynccontextmanager
    async def begun(
        self, principal: Principal, request: TranscriptionRequest, file: bytes, call: Call
    ) -> AsyncIterator[Transcription]:
        """The transcription of a file; leaving it stops the work and puts it on record.

        Raises:
            ModelNotFound: of another name than those that are offered.
            InvalidRequest: the file is no audio, or too long (``param="file"``), or in a language that is not understood.
            RateLimited: the organization has as many requests in progress as it may have.
            DeadlineExceeded: it took too long (also from ``segments``).
        """
        speech = self._speech
        async with accounted(speech.recorder, principal, labels.SPEECH_TO_TEXT, call.edge) as account:
            check_model(request.model, RECOGNITION_MODELS)
            recognizer = speech.listener()
            language = understood(recognizer, request.languages)
            texts: list[str] = []
            with speech.limit.acquire(principal.org_id):
                deadline = deadline_in(speech.request_timeout_s)
                pcm = await on_thread(decode, file, max_s=speech.settings.max_file_s, param="file")
                audio_ms = ms_of(samples_of(pcm))
                async with aclosing(self._segments(recognizer, pcm, request, language, deadline, texts)) as segments:
                    yield Transcription(audio_ms, segments)
            speech.observer.heard(_SURFACE, audio_ms / 1000)
            account.input_tokens = heard_tokens(audio_ms)
            account.output_tokens = text_tokens(" ".join(texts))

    async def _segments(
        self,
        recognizer: Recognizer,
        pcm: Pcm,
        request: TranscriptionRequest,
        language: str | None,
        deadline: float,
        texts: list[str],
    ) -> AsyncGenerator[Segment, None]:
        found = transcribe(recognizer, pcm, self._speech.vad(), language=language, prompt=request.prompt, pause=request.pause)
        async with aclosing(until(deadline, found)) as segments:
            async for segment in segments:
                texts.append(segment.transcript.text)
                yield segment


def understood(recognizer: Recognizer, wished: Sequence[str]) -> str | None:
    """The first of the languages that the recognizer understands; ``None`` where none was named.

    Raises:
        InvalidRequest: it understands none of them.
    """
    refusal: InvalidRequest | None = None
    for language in wished:
        try:
            return check_language(language, recognizer.languages)
        except InvalidRequest as error:
            refusal = refusal or error
    if refusal is not None:
        raise refusal
    return None
