"""What was said in a chat request: its audio as the text that models read."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from cluster.identity.principal import Principal
from cluster.inference.requests import problems
from cluster.inference.requests.chat import ChatCompletionRequest, ChatFields
from cluster.inference.requests.messages import AssistantMessage, AudioPart, TextPart, UserMessage
from cluster.inference.service import Call
from cluster.realtime.session.context import INAUDIBLE
from cluster.speech.audio.files import decode
from cluster.speech.audio.pcm import ms_of, samples_of
from cluster.speech.contract import Pcm, Recognizer
from cluster.speech.errors import AudioTooLong
from cluster.speech.tokens import heard_tokens, text_tokens
from cluster.speech.transcription.segments import joined, transcribe
from cluster.spoken.account import accounted
from cluster.spoken.chat.request import SpokenChatRequest
from cluster.spoken.clock import deadline_in, until
from cluster.spoken.recordings import Recordings
from cluster.spoken.speech import Speech
from cluster.spoken.threads import on_thread
from cluster.telemetry import labels

_SURFACE = "chat"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recording holds. ``text`` is empty where no words were recognized."""

    text: str
    audio_ms: int


class HeardBefore:
    """Transcripts of recordings that conversations bring along again with each turn. The longest unused ones are forgotten."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._known: OrderedDict[bytes, Heard] = OrderedDict()

    def get(self, key: bytes) -> Heard | None:
        heard = self._known.get(key)
        if heard is not None:
            self._known.move_to_end(key)
        return heard

    def put(self, key: bytes, heard: Heard) -> None:
        self._known[key] = heard
        while len(self._known) > self._entries:
            self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Recording:
    """An audio part and where it stands. ``key``: of its organization and its bytes."""

    parts: list[object]
    index: int
    param: str
    data: str
    key: bytes


class Hearing:
    def __init__(self, speech: Speech, recordings: Recordings) -> None:
        self._speech = speech
        self._recordings = recordings
        self._heard_before = HeardBefore(speech.settings.remembered_recordings)

    async def plain(self, principal: Principal, request: SpokenChatRequest, call: Call) -> tuple[ChatCompletionRequest, int]:
        """The request in writing, and how much audio was put into words for it, in ms. Uses ``request`` up.

        Raises:
            InvalidRequest: audio that can't be read, or that nobody here has spoken.
        """
        self._recall(principal, request.given)
        if request.model in self._speech.hearing_models:
            hearing = replace(request.limits, content_parts=request.limits.content_parts | {"input_audio"})
            return await asyncio.to_thread(ChatCompletionRequest.of, request.given, hearing), 0
        heard_ms = await self._put_into_words(principal, request.given, call)
        return ChatCompletionRequest.of(request.given, request.limits), heard_ms

    def _recall(self, principal: Principal, given: ChatFields) -> None:
        """Earlier spoken answers, by their ids; one that brings its transcript along needs no id that is still good."""
        for number, message in enumerate(given.messages):
            if isinstance(message, AssistantMessage) and message.audio is not None:
                audio, message.audio = message.audio, None
                if message.content is not None:
                    continue
                transcript = self._speech.audio_ids.transcript(principal.org_id, audio.id, time.time())
                message.content = transcript if transcript is not None else audio.transcript
                if message.content is None:
                    raise problems.invalid(
                        f"messages.{number}.audio.id",
                        "there is no such answer, or it has expired. Send its words instead, as 'content'.",
                    )

    async def _put_into_words(self, principal: Principal, given: ChatFields, call: Call) -> int:
        recordings = await asyncio.to_thread(lambda: list(_recordings(principal, given)))
        heard = {recording.key: self._heard_before.get(recording.key) for recording in recordings}
        new = {recording.key: recording for recording in recordings if heard[recording.key] is None}
        if new:
            heard |= await self._recognized(principal, list(new.values()), call)
        total_ms = 0
        for recording in recordings:
            found = heard[recording.key]
            assert found is not None
            recording.parts[recording.index] = TextPart(type="text", text=found.text or INAUDIBLE)
            total_ms += found.audio_ms
        return total_ms

    async def _recognized(self, principal: Principal, recordings: list[_Recording], call: Call) -> dict[bytes, Heard]:
        speech = self._speech
        async with accounted(speech.recorder, principal, labels.SPEECH_TO_TEXT, call.edge) as account:
            recognizer = speech.listener()
            heard: dict[bytes, Heard] = {}
            with speech.limit.acquire(principal.org_id):
                deadline = deadline_in(speech.request_timeout_s)
                left_s = speech.settings.max_file_s
                async with self._recordings.place(principal.org_id):
                    for recording in recordings:
                        try:
                            pcm = await on_thread(_decoded, recording, left_s)
                        except AudioTooLong:
                            raise AudioTooLong(
                                f"the audio of a request must not be longer than {speech.settings.max_file_s:g} s in all",
                                param=recording.param,
                            ) from None
                        found = await self._words(recognizer, pcm, deadline)
                        heard[recording.key] = found
                        self._heard_before.put(recording.key, found)
                        left_s -= found.audio_ms / 1000
            audio_ms = sum(found.audio_ms for found in heard.values())
            speech.observer.heard(_SURFACE, audio_ms / 1000)
            account.input_tokens = heard_tokens(audio_ms)
            account.output_tokens = sum(text_tokens(found.text) for found in heard.values())
        return heard

    async def _words(self, recognizer: Recognizer, pcm: Pcm, deadline: float) -> Heard:
        audio_ms = ms_of(samples_of(pcm))
        found = transcribe(recognizer, pcm, self._speech.vad())
        async with aclosing(until(deadline, found)) as segments:
            return Heard(joined([segment async for segment in segments], audio_ms).text, audio_ms)


def _recordings(principal: Principal, given: ChatFields) -> Iterator[_Recording]:
    for number, message in enumerate(given.messages):
        if isinstance(message, UserMessage) and not isinstance(message.content, str):
            parts: list[object] = message.content  # type: ignore[assignment]  # read and written here alone
            for index, part in enumerate(message.content):
                if isinstance(part, AudioPart):
                    data = part.input_audio.data
                    key = hashlib.sha256(f"{principal.org_id}\n".encode() + data.encode()).digest()
                    param = f"messages.{number}.content.{index}.input_audio.data"
                    yield _Recording(parts, index, param, data, key)


def _decoded(recording: _Recording, left_s: float) -> Pcm:
    try:
        file = base64.b64decode(recording.data, validate=True)
    except (binascii.Error, ValueError):
        raise problems.invalid(recording.param, "this is not base64.") from None
    return decode(file, max_s=left_s, param=recording.param)
