"""A streamed answer that is spoken while the model still writes it.

Two tasks: one reads the model's chunks, puts their text into ``audio.transcript`` and cuts it into clauses; the other speaks these.
What they make meets in one bounded queue, so that a client that reads slowly holds both back. The end of the answer waits
for the last audio: ``expires_at`` and the id, then the finish reason, then the usage.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from typing import Any, Final

import msgspec

from cluster.identity.principal import Principal
from cluster.inference.service import Call, CompletionStream
from cluster.inference.usage import Usage
from cluster.relay.contract import Outlet
from cluster.speech.text.clauses import ClauseSplitter
from cluster.spoken.account import accounted
from cluster.spoken.chat.audio_usage import add_audio
from cluster.spoken.chat.voice import AnswerVoice
from cluster.spoken.speech import Speech
from cluster.telemetry import labels

#: Batches that may wait for the client: some 50 ms of audio each.
_MAX_WAITING: Final = 64


class SpokenStream:
    """Implements :class:`~cluster.inference.service.CompletionStream`. Without a voice it only tells of what was heard."""

    def __init__(
        self,
        inner: CompletionStream,
        voice: AnswerVoice | None,
        heard_ms: int,
        speech: Speech,
        principal: Principal,
        call: Call,
        held: ExitStack,
    ) -> None:
        """``heard_ms``: audio that was recognized for it. ``held``: what to give back when nothing of it is left."""
        self.request_id = inner.request_id
        self.route = inner.route
        self._inner = inner
        self._voice = voice
        self._heard_ms = heard_ms
        self._speech = speech
        self._principal = principal
        self._call = call
        self._held = held
        self._batches: asyncio.Queue[list[bytes] | Exception | None] = asyncio.Queue(_MAX_WAITING)
        self._clauses: asyncio.Queue[str | None] = asyncio.Queue()
        self._splitter = ClauseSplitter()
        self._transcript = ""
        self._head: dict[str, Any] | None = None
        self._finish: dict[str, Any] | None = None
        self._usage_chunk: dict[str, Any] | None = None
        self._work: asyncio.Task[None] | None = None

    def __aiter__(self) -> AsyncIterator[list[bytes]]:
        return self

    async def __anext__(self) -> list[bytes]:
        if self._work is None:
            self._work = asyncio.create_task(self._run())
        batch = await self._batches.get()
        if isinstance(batch, list):
            return batch
        self._batches.put_nowait(None)
        if batch is None:
            raise StopAsyncIteration
        raise batch

    def flow(self, outlet: Outlet) -> None:
        """Everything is iterated: each chunk is changed on its way."""

    @property
    def usage(self) -> Usage | None:
        """The model's."""
        return self._inner.usage

    async def aclose(self) -> None:
        with self._held:
            try:
                if self._work is not None:
                    self._work.cancel()
                    await asyncio.wait([self._work])
            finally:
                # Whatever comes in between: it has a place of the organization, and an engine that generates.
                await self._inner.aclose()

    async def _run(self) -> None:
        try:
            if self._voice is None:
                await self._read(None)
            else:
                await self._speak_along(self._voice)
            tail = self._tail()
        except ExceptionGroup as group:
            await self._batches.put(_first_of(group))
        except Exception as error:  # noqa: BLE001 - raised to the reader of this stream
            await self._batches.put(error)
        else:
            if tail:
                await self._batches.put(tail)
            await self._batches.put(None)

    async def _speak_along(self, voice: AnswerVoice) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(voice))
            await self._speak(voice)

    # --- the model's chunks -----------------------------------------------------------------------------------------------

    async def _read(self, voice: AnswerVoice | None) -> None:
        async for payloads in self._inner:
            batch = [changed for payload in payloads if (changed := self._changed(payload, voice)) is not None]
            if batch:
                await self._batches.put(batch)
        self._say(self._splitter.end())
        self._clauses.put_nowait(None)

    def _changed(self, payload: bytes, voice: AnswerVoice | None) -> bytes | None:
        """The chunk as the client gets it; ``None`` for one that waits for the end."""
        chunk: dict[str, Any] = msgspec.json.decode(payload)
        if not chunk.get("choices"):
            self._usage_chunk = chunk
            return None
        if voice is None:
            return payload
        self._head = self._head or {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
        [choice] = chunk["choices"]
        delta = choice["delta"]
        content = delta.pop("content", None)
        if content:
            voice.begin()
            self._transcript += content
            self._say(self._splitter.push(content))
            delta["audio"] = {"transcript": content}
        if choice.get("finish_reason") is not None:
            self._finish = {**chunk, "choices": [{**choice, "delta": {}, "logprobs": None}]}
            choice["finish_reason"] = None
        return msgspec.json.encode(chunk) if delta else None

    def _say(self, clauses: list[str]) -> None:
        for clause in clauses:
            self._clauses.put_nowait(clause)

    # --- the voice --------------------------------------------------------------------------------------------------------

    async def _speak(self, voice: AnswerVoice) -> None:
        clause = await self._clauses.get()
        if clause is None:
            return  # an answer without words, a tool call: nothing to put on record
        async with accounted(self._speech.recorder, self._principal, labels.TEXT_TO_SPEECH, self._call.edge) as account:
            while clause is not None:
                async with aclosing(voice.speak(clause)) as pieces:
                    async for pcm in pieces:
                        await self._batches.put([self._audio_chunk({"data": base64.b64encode(pcm).decode()})])
                clause = await self._clauses.get()
            voice.book(account, self._transcript)

    def _audio_chunk(self, audio: dict[str, Any]) -> bytes:
        assert self._head is not None, "nothing is spoken before it was written"
        choice = {"index": 0, "delta": {"audio": audio}, "logprobs": None, "finish_reason": None}
        return msgspec.json.encode({**self._head, "choices": [choice]})

    def _tail(self) -> list[bytes]:
        tail: list[bytes] = []
        if self._transcript:
            expires_at = int(time.time()) + self._speech.settings.audio_id_ttl_s
            audio_id = self._speech.audio_ids.made(self._principal.org_id, self._transcript, expires_at)
            tail.append(self._audio_chunk({"id": audio_id, "expires_at": expires_at}))
        if self._finish is not None:
            tail.append(msgspec.json.encode(self._finish))
        if self._usage_chunk is not None:
            add_audio(self._usage_chunk.get("usage"), self._heard_ms, self._voice.audio_ms if self._voice else 0)
            tail.append(msgspec.json.encode(self._usage_chunk))
        return tail


def _first_of(group: ExceptionGroup[Exception]) -> Exception:
    """The cause: what failed first cancelled the rest."""
    error = group.exceptions[0]
    return _first_of(error) if isinstance(error, ExceptionGroup) else error
