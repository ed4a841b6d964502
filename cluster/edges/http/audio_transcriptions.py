"""``POST /v1/audio/transcriptions``, and why there is no ``/v1/audio/translations``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.disconnect import until_disconnect
from cluster.edges.http.event_stream import send_events
from cluster.edges.http.exchange import Exchange
from cluster.edges.http.form import Form, read_form
from cluster.errors import InvalidRequest
from cluster.inference.requests import problems
from cluster.inference.service import Call
from cluster.speech.tokens import heard_tokens, text_tokens
from cluster.speech.transcription import formats
from cluster.speech.transcription.formats import TranscriptFormat
from cluster.speech.transcription.segments import Segment, joined
from cluster.spoken.recordings import Recordings
from cluster.spoken.speech import Speech
from cluster.spoken.transcription import Transcriber
from cluster.spoken.transcription_request import TranscriptionRequest


class TranscriptionEndpoint:
    def __init__(self, speech: Speech, recordings: Recordings, settings: HttpSettings) -> None:
        self._transcriber = Transcriber(speech)
        self._recordings = recordings
        self._speech = speech.settings
        self._http = settings

    async def transcription(self, exchange: Exchange) -> None:
        # The place first: from here on the file lies in memory.
        async with self._recordings.place(exchange.caller.org_id):
            form = await read_form(exchange, max_file_bytes=self._speech.max_file_bytes, timeout_s=self._speech.upload_timeout_s)
            file = _file(form)
            request = TranscriptionRequest.parse(form.texts)
            call = Call(edge="http", trace_id=exchange.request_id, span=exchange.span)
            if request.stream:
                events = self._events(exchange, request, file, call)
                await until_disconnect(exchange, send_events(exchange, events, self._http.keep_alive_s))
            else:
                body = await until_disconnect(exchange, self._whole(exchange, request, file, call))
                await _respond(exchange, body, request.format)

    async def translation(self, exchange: Exchange) -> None:
        raise InvalidRequest(
            "Speech is not translated here. '/v1/audio/transcriptions' gives its words, which a chat model can translate.",
            code="unsupported_endpoint",
        )

    async def _whole(self, exchange: Exchange, request: TranscriptionRequest, file: bytes, call: Call) -> bytes:
        async with self._transcriber.begun(exchange.caller, request, file, call) as transcription:
            segments = [segment async for segment in transcription.segments]
        return await asyncio.to_thread(_body, request, segments, transcription.audio_ms)

    async def _events(
        self, exchange: Exchange, request: TranscriptionRequest, file: bytes, call: Call
    ) -> AsyncGenerator[bytes, None]:
        text = ""
        async with self._transcriber.begun(exchange.caller, request, file, call) as transcription:
            async for segment in transcription.segments:
                delta = f" {segment.transcript.text}" if text else segment.transcript.text
                text += delta
                yield msgspec.json.encode({"type": "transcript.text.delta", "delta": delta})
        heard, written = heard_tokens(transcription.audio_ms), text_tokens(text)
        usage = {
            "type": "tokens",
            "input_tokens": heard,
            "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
            "output_tokens": written,
            "total_tokens": heard + written,
        }
        yield msgspec.json.encode({"type": "transcript.text.done", "text": text, "usage": usage})


def _file(form: Form) -> bytes:
    files = form.files.pop("file", [])
    if form.files:
        raise problems.unrecognized(list(form.files))
    if not files:
        if "file" in form.texts:
            raise problems.wrong_type("file", "a file (a part of the form with a 'filename')", form.texts["file"][0])
        raise problems.missing("file")
    if len(files) > 1:
        raise InvalidRequest("Only one file can be transcribed at a time.", param="file", code="invalid_value")
    return files[0]


def _body(request: TranscriptionRequest, segments: list[Segment], audio_ms: int) -> bytes:
    transcript = joined(segments, audio_ms)
    match request.format:
        case TranscriptFormat.JSON:
            return msgspec.json.encode(formats.json_body(transcript))
        case TranscriptFormat.VERBOSE_JSON:
            return msgspec.json.encode(
                formats.verbose_body(transcript, segments, words=request.words, with_segments=request.segments)
            )
        case TranscriptFormat.TEXT:
            return f"{transcript.text}\n".encode()
        case TranscriptFormat.SRT:
            return formats.srt(segments).encode()
        case TranscriptFormat.VTT:
            return formats.vtt(segments).encode()


async def _respond(exchange: Exchange, body: bytes, kind: TranscriptFormat) -> None:
    headers = [(b"content-type", kind.media_type.encode()), (b"content-length", str(len(body)).encode())]
    await exchange.start(200, headers)
    await exchange.send_body(body, last=True)
