"""A cluster around the realtime edge that does as it is told: a scripted model, a recognizer and a voice with no models behind.

They stand in for what needs weights or programs, and inject what real ones do only now and then: delays, failures, silence.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from cluster.config.settings.edges import HttpSettings
from cluster.config.settings.realtime import RealtimeSettings
from cluster.edges.http.app import build_app
from cluster.edges.realtime.client_secrets import SecretSealer
from cluster.edges.realtime.edge import RealtimeEdge
from cluster.edges.realtime.sessions import Sessions
from cluster.errors import ModelNotFound, OssatureError, PermissionDenied, Unauthenticated
from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.inference.service import Call, Completion, ModelCard
from cluster.inference.usage import Usage
from cluster.realtime.driver.observer import Unobserved
from cluster.realtime.driver.speech import NO_SPEECH, SpeechStack
from cluster.realtime.protocol.server_events import RateLimit
from cluster.speech.contract import (
    SpeechMaybeEnded,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    SpokenChunk,
    TextMark,
    Transcript,
    TurnEvent,
    VoiceInfo,
)
from cluster.speech.turns.settings import TurnSettings

ACME = Principal(org_id="org_acme", project_id="proj_acme", key_id="key_acme")
RIVAL = Principal(org_id="org_rival", project_id="proj_rival", key_id="key_rival")
ADMIN = Principal(org_id="", project_id="", key_id="key_admin", admin=True)
KEYS = {"sk-acme": ACME, "sk-rival": RIVAL, "sk-admin": ADMIN}
MODEL = ModelCard("demo", 1_758_000_000, "ossature", 8192)
PRIVATE = ModelCard("acme/private", 1_758_000_000, "org_acme", 8192)
CLUSTER_SECRET = b"a secret of a cluster that is made for tests"

Script = Callable[[list[dict[str, Any]]], Sequence[dict[str, Any]]]
"""From the messages to the deltas of the answer."""


def say(text: str) -> list[dict[str, Any]]:
    """An answer, word by word."""
    words = text.split(" ")
    return [{"content": word + (" " if index < len(words) - 1 else "")} for index, word in enumerate(words)]


def call(name: str, arguments: str) -> list[dict[str, Any]]:
    """A function call, its arguments in two pieces."""
    first = {"index": 0, "id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": ""}}
    half = len(arguments) // 2
    rest = [{"index": 0, "function": {"arguments": piece}} for piece in (arguments[:half], arguments[half:])]
    return [{"tool_calls": [first]}, *({"tool_calls": [piece]} for piece in rest)]


def echo(messages: list[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    return say(f"You said: {messages[-1]['content']}.")


@dataclass
class FakeAnswer:
    deltas: Sequence[dict[str, Any]]
    pause_s: float
    request_id: str = "chatcmpl-1"
    route: str = ""
    usage: Usage | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aiter__(self) -> AsyncIterator[list[bytes]]:
        for delta in self.deltas:
            await asyncio.sleep(self.pause_s)
            yield [_chunk(delta, None)]
        calls = any("tool_calls" in delta for delta in self.deltas)
        yield [_chunk({}, "tool_calls" if calls else "stop")]
        self.usage = Usage(prompt_tokens=1500, completion_tokens=len(self.deltas), cached_tokens=1024, reasoning_tokens=0)

    async def aclose(self) -> None:
        self.closed.set()


def _chunk(delta: dict[str, Any], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_758_000_000, "model": "demo"}
    return json.dumps({**head, "choices": [choice]}).encode()


@dataclass
class FakeInference:
    """Answers by ``script``; remembers what it was asked."""

    script: Script = echo
    pause_s: float = 0.0
    error: OssatureError | None = None
    asked: list[tuple[Principal, list[dict[str, Any]]]] = field(default_factory=list)
    answers: list[FakeAnswer] = field(default_factory=list)

    def models(self, principal: Principal) -> list[ModelCard]:
        return [MODEL, PRIVATE] if principal == ACME else [MODEL]

    def model(self, principal: Principal, model_id: str) -> ModelCard:
        for card in self.models(principal):
            if card.id == model_id:
                return card
        raise ModelNotFound(f"The model '{model_id}' does not exist or you do not have access to it.", param="model")

    async def list_models(self, principal: Principal) -> list[ModelCard]:
        return self.models(principal)

    async def find_model(self, principal: Principal, model_id: str) -> ModelCard:
        return self.model(principal, model_id)

    async def delete_model(self, principal: Principal, model_id: str) -> None:
        self.model(principal, model_id)
        raise PermissionDenied("Only tuned models can be deleted.", param="model", code="insufficient_permissions")

    async def complete(self, principal: Principal, request: GenerationRequest, call: Call) -> Completion:
        raise NotImplementedError("realtime sessions stream")

    async def stream(self, principal: Principal, request: GenerationRequest, call: Call) -> FakeAnswer:
        self.model(principal, request.model)
        messages = json.loads(request.engine_body())["messages"]
        self.asked.append((principal, messages))
        if self.error is not None:
            raise self.error
        answer = FakeAnswer(self.script(messages), self.pause_s)
        self.answers.append(answer)
        return answer


# --- sound that says what it is -------------------------------------------------------------------------------------------
# Words are tones: the recognizer looks the loudness of what it was fed up in a table. Silence is silence.

WORDS = ("zero", "strawberries", "four hundred", "stop", "hello")
_LEVEL = 2000


def spoken_word(index: int, ms: int = 400) -> bytes:
    """PCM at 24 kHz which the recognizer takes for ``WORDS[index]``."""
    level = _LEVEL * (index + 1)
    return struct.pack("<h", level) * (24 * ms)


def silence(ms: int) -> bytes:
    return bytes(48 * ms)


class FakeRecognizer:
    """``error``: raised for every transcript. ``delay_s``: how long one takes."""

    def __init__(self) -> None:
        self.languages = ("en",)
        self.error: OssatureError | None = None
        self.delay_s = 0.0
        self.opened = 0
        self.open_now = 0

    def open(
        self, *, rate_hz: int = 24_000, language: str | None = None, prompt: str | None = None, live: bool = True
    ) -> FakeRecognition:
        self.opened += 1
        self.open_now += 1
        return FakeRecognition(self)


class FakeRecognition:
    def __init__(self, recognizer: FakeRecognizer) -> None:
        self._recognizer = recognizer
        self._pcm = bytearray()
        self._closed = False

    async def feed(self, pcm: bytes) -> None:
        self._pcm += pcm

    async def settle(self) -> Transcript:
        await asyncio.sleep(self._recognizer.delay_s)
        if self._recognizer.error is not None:
            raise self._recognizer.error
        samples = struct.unpack(f"<{len(self._pcm) // 2}h", bytes(self._pcm))
        heard: list[int] = []
        for sample in samples:
            word = round(sample / _LEVEL) - 1 if abs(sample) > _LEVEL // 2 else -1
            if word >= 0 and (not heard or heard[-1] != word):
                heard.append(word)
        return Transcript(" ".join(WORDS[word] for word in heard if word < len(WORDS)), "en", len(samples) // 24)

    async def finish(self) -> Transcript:
        return await self.settle()

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._recognizer.open_now -= 1


class FakeSynthesizer:
    """100 ms a word, one chunk each. ``hangs``: gives one chunk and no more."""

    def __init__(self) -> None:
        self.voices = (VoiceInfo("slt", "a tone", "en"), VoiceInfo("rms", "another", "en"))
        self.hangs = False
        self.pause_s = 0.0
        self.stopped = 0

    async def speak(self, text: str, *, voice: str, speed: float = 1.0) -> AsyncGenerator[SpokenChunk, None]:
        at = samples = 0
        try:
            for word in text.split():
                at = text.index(word, at) + len(word)
                samples += 2400
                tone = b"".join(struct.pack("<h", int(8000 * math.sin(sample / 8))) for sample in range(2400))
                yield SpokenChunk(tone, (TextMark(at, samples),))
                await asyncio.sleep(self.pause_s)
                if self.hangs:
                    await asyncio.Event().wait()
            yield SpokenChunk(b"", (TextMark(len(text), samples),))
        finally:
            self.stopped += 1


class FakeEars:
    """Loud is speech, quiet is not; 300 ms of quiet end a turn, 100 ms may."""

    def __init__(self, settings: TurnSettings) -> None:
        self._at_ms = 0
        self._waiting = b""
        self._speaking = self._doubtful = False
        self._quiet_ms = 0

    def configure(self, settings: TurnSettings) -> None: ...

    def judge(self, finished: float) -> None: ...

    def restart(self) -> None:
        self._speaking = self._doubtful = False
        self._quiet_ms = 0

    def feed(self, pcm: bytes) -> list[TurnEvent]:
        events: list[TurnEvent] = []
        self._waiting += pcm
        while len(self._waiting) >= 960:
            frame, self._waiting = self._waiting[:960], self._waiting[960:]
            events += self._frame(struct.unpack("<h", frame[:2])[0] > 500)
            self._at_ms += 20
        return events

    def _frame(self, loud: bool) -> list[TurnEvent]:
        if loud:
            self._quiet_ms = 0
            if not self._speaking:
                self._speaking = True
                return [SpeechStarted(self._at_ms)]
            if self._doubtful:
                self._doubtful = False
                return [SpeechResumed(self._at_ms)]
            return []
        self._quiet_ms += 20
        if self._speaking and not self._doubtful and self._quiet_ms >= 100:
            self._doubtful = True
            return [SpeechMaybeEnded(self._at_ms - self._quiet_ms)]
        if self._speaking and self._quiet_ms >= 300:
            self._speaking = self._doubtful = False
            return [SpeechStopped(self._at_ms)]
        return []


# --- the edge -------------------------------------------------------------------------------------------------------------


async def authenticate(secret: str | None, organization: str | None, project: str | None) -> Principal:
    if secret not in KEYS:
        raise Unauthenticated("The API key is not valid.")
    return KEYS[secret]


@dataclass
class FakeReadiness:
    ready: bool = True
    waiting: Sequence[str] = ()


@dataclass
class Cluster:
    """A running edge on a real socket, and what stands behind it."""

    speaks: bool = True
    settings: RealtimeSettings = field(default_factory=RealtimeSettings)
    inference: FakeInference = field(default_factory=FakeInference)
    recognizer: FakeRecognizer = field(default_factory=FakeRecognizer)
    synthesizer: FakeSynthesizer = field(default_factory=FakeSynthesizer)
    refusals: list[tuple[Principal | None, OssatureError]] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1"

    async def holder(self, key_id: str) -> Principal:
        if key_id in self.revoked:
            raise Unauthenticated("The API key is not valid.")
        return next(principal for principal in KEYS.values() if principal.key_id == key_id)

    async def status(self, principal: Principal) -> dict[str, object]:
        return {}

    def speech(self) -> SpeechStack:
        return SpeechStack(self.recognizer, self.synthesizer, FakeEars, timeout_s=2.0) if self.speaks else NO_SPEECH

    def sessions(self) -> Sessions:
        limits = [RateLimit(name="requests", limit=100, remaining=99, reset_seconds=0.0)]
        return Sessions(self.inference, self.speech(), self.settings, Unobserved(), lambda principal: limits)

    def edge(self, sessions: Sessions | None = None) -> RealtimeEdge:
        refused = lambda principal, error: self.refusals.append((principal, error))  # noqa: E731
        return RealtimeEdge(sessions or self.sessions(), SecretSealer.of(CLUSTER_SECRET), authenticate, self.holder, refused)

    @asynccontextmanager
    async def served(self, sessions: Sessions | None = None) -> AsyncIterator[Cluster]:
        """``sessions``: of another edge, to share them."""
        app = build_app(
            inference=self.inference,
            authenticate=authenticate,
            directory=None,  # type: ignore[arg-type]  # nothing here is administrated
            settings=HttpSettings(),
            readiness=FakeReadiness,
            status=self.status,
            realtime=self.edge(sessions),
        )
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing else to wait for
            await asyncio.sleep(0.005)
        try:
            yield self
        finally:
            server.should_exit = True
            await running
