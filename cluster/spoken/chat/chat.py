"""Chat completions with sound: heard before the model is asked, spoken while it answers."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import ExitStack, aclosing
from typing import Any

import msgspec

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.identity.principal import Principal
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.service import Call, Completion, CompletionStream, Inference
from cluster.speech.audio.files import FileFormat, wav_header
from cluster.speech.text.clauses import clauses
from cluster.spoken.account import accounted
from cluster.spoken.chat.audio_usage import add_audio
from cluster.spoken.chat.hearing import Hearing
from cluster.spoken.chat.request import SpokenChatRequest, parsed
from cluster.spoken.chat.spoken_stream import SpokenStream
from cluster.spoken.chat.voice import AnswerVoice
from cluster.spoken.encoding import PieceEncoder
from cluster.spoken.recordings import Recordings
from cluster.spoken.speech import Speech
from cluster.spoken.voices import voice_id
from cluster.telemetry import labels


class SpokenChat:
    """Answers what :meth:`parsed` finds sound in. Its two methods are those of :class:`~cluster.inference.service.Inference`."""

    def __init__(self, inference: Inference, speech: Speech, recordings: Recordings, limits: RequestLimits) -> None:
        self._inference = inference
        self._speech = speech
        self._limits = limits
        self._hearing = Hearing(speech, recordings)
        self._places = ConcurrencyLimit(speech.settings.max_spoken_chats_per_organization)

    def parsed(self, body: bytes) -> ChatCompletionRequest | SpokenChatRequest:
        """Raises :class:`~cluster.errors.InvalidRequest`."""
        return parsed(body, self._limits)

    async def complete(self, principal: Principal, request: SpokenChatRequest, call: Call) -> Completion:
        with self._places.acquire(principal.org_id):
            voice = await self._voice(principal, request)
            plain, heard_ms = await self._hearing.plain(principal, request, call)
            completion = await self._inference.complete(principal, plain, call)
            body = msgspec.json.decode(completion.body)
            spoken_ms = await self._spoken(principal, request, voice, body, call) if voice is not None else 0
            add_audio(body.get("usage"), heard_ms, spoken_ms)
            encoded = await asyncio.to_thread(msgspec.json.encode, body)
            return Completion(completion.request_id, encoded, completion.usage, completion.route)

    async def stream(self, principal: Principal, request: SpokenChatRequest, call: Call) -> CompletionStream:
        with ExitStack() as held:
            held.enter_context(self._places.acquire(principal.org_id))
            voice = await self._voice(principal, request)
            plain, heard_ms = await self._hearing.plain(principal, request, call)
            inner = await self._inference.stream(principal, plain, call)
            return SpokenStream(inner, voice, heard_ms, self._speech, principal, call, held.pop_all())

    async def _voice(self, principal: Principal, request: SpokenChatRequest) -> AnswerVoice | None:
        # A model that does not exist is told of before anything is recognized for it.
        await self._inference.find_model(principal, request.model)
        if request.speaking is None:
            return None
        synthesizer = self._speech.speaker()
        name = voice_id(synthesizer, request.speaking.voice, param="audio.voice")
        return AnswerVoice(synthesizer, name, self._speech.observer, self._speech.request_timeout_s)

    async def _spoken(
        self, principal: Principal, request: SpokenChatRequest, voice: AnswerVoice, body: dict[str, Any], call: Call
    ) -> int:
        """Put the answer's audio in the place of its text; how much there is of it, in ms."""
        assert request.speaking is not None
        [choice] = body["choices"]
        message = choice["message"]
        text: str = message.get("content") or ""
        if not text.strip():
            return 0
        async with accounted(self._speech.recorder, principal, labels.TEXT_TO_SPEECH, call.edge) as account:
            pieces = clauses(text)
            said = _first(pieces, self._speech.settings.max_answer_chars)
            file = _WholeFile(request.speaking.format)
            for piece in said:
                async with aclosing(voice.speak(piece)) as sound:
                    async for pcm in sound:
                        await file.push(pcm)
            voice.book(account, "".join(said))
        if len(said) < len(pieces):
            choice["finish_reason"] = "length"
        expires_at = int(time.time()) + self._speech.settings.audio_id_ttl_s
        transcript = "".join(said)
        message["content"] = None
        message["audio"] = {
            "id": self._speech.audio_ids.made(principal.org_id, transcript, expires_at),
            "data": await file.base64(),
            "expires_at": expires_at,
            "transcript": transcript,
        }
        return voice.audio_ms


def _first(pieces: list[str], max_chars: int) -> list[str]:
    """As many as fit, and one at least."""
    kept: list[str] = []
    left = max_chars
    for piece in pieces:
        left -= len(piece)
        if left < 0 and kept:
            break
        kept.append(piece)
    return kept


class _WholeFile:
    """A file whose header can tell its length."""

    def __init__(self, kind: FileFormat) -> None:
        self._kind = kind
        self._data = bytearray()
        # The bare samples of WAV, to which the right header comes at the end.
        self._encoder = PieceEncoder(FileFormat.PCM if kind is FileFormat.WAV else kind)

    async def push(self, pcm: bytes) -> None:
        self._data += await self._encoder.push(pcm)

    async def base64(self) -> str:
        """The file is complete."""
        self._data += await self._encoder.end()
        header = wav_header(len(self._data)) if self._kind is FileFormat.WAV else b""
        return await asyncio.to_thread(lambda: base64.b64encode(header + self._data).decode())
