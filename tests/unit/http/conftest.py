from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from openai import AsyncOpenAI

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.admin import Audit
from cluster.edges.http.app import build_app
from cluster.errors import OssatureError
from cluster.identity.principal import Principal
from cluster.spoken.speech import Speech
from cluster.telemetry.tracing.span import UNTRACED, Tracer
from tests.unit.fake_inference import FakeInference
from tests.unit.http.fake_speech import FakeSpeech
from tests.unit.http.fakes import ACME, CARDS, GLOBEX, FakeAuthenticator, FakeDirectory

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Made once, as a client's own would load every certificate of the machine."""


@dataclass
class FakeReadiness:
    waiting: list[str] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        return not self.waiting


@dataclass
class Edge:
    """A running edge on a real socket, and what stands behind it."""

    inference: Any = field(default_factory=lambda: FakeInference({ACME: CARDS}))
    authenticator: FakeAuthenticator = field(default_factory=FakeAuthenticator)
    directory: Any = field(default_factory=FakeDirectory)
    readiness: FakeReadiness = field(default_factory=FakeReadiness)
    settings: HttpSettings = field(default_factory=lambda: HttpSettings(max_body_bytes=1 << 20, body_timeout_s=2.0))
    refusals: list[tuple[Principal | None, OssatureError]] = field(default_factory=list)
    speech: Speech | None = None
    audit: Audit | None = None
    tracer: Tracer = UNTRACED
    port: int = 0
    client: httpx.AsyncClient = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def post(self, path: str, body: object = None, **arguments: Any) -> httpx.Response:
        return await self.request("POST", path, json=body, **arguments)

    async def request(
        self, method: str, path: str, *, key: str | None = "sk-acme", headers: dict[str, Any] | None = None, **arguments: Any
    ) -> httpx.Response:
        return await self.client.request(
            method, path, headers={**({"authorization": f"Bearer {key}"} if key else {}), **(headers or {})}, **arguments
        )

    async def status(self, principal: Principal) -> dict[str, object]:
        return {"object": "cluster.status", "asked_by": principal.key_id}

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Edge]:
        app = build_app(
            inference=self.inference,
            authenticate=self.authenticator,
            directory=self.directory,
            settings=self.settings,
            readiness=lambda: self.readiness,
            status=self.status,
            on_refusal=lambda principal, error: self.refusals.append((principal, error)),
            speech=self.speech,
            audit=self.audit,
            tracer=self.tracer,
        )
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        # asyncio turns Nagle's algorithm off only for sockets that name their protocol; uvicorn's own do not.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing else to wait for
            await asyncio.sleep(0.005)
        try:
            async with httpx.AsyncClient(base_url=self.url, timeout=30, verify=_NO_TLS) as self.client:
                yield self
        finally:
            server.should_exit = True
            await running


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with Edge().served() as running:
        yield running


@pytest.fixture
async def openai_client(edge: Edge) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's own client, which here refuses answers that are not of its schema."""
    client = AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="sk-acme", max_retries=0, timeout=10, _strict_response_validation=True)
    async with client:
        yield client


@pytest.fixture
def parts() -> FakeSpeech:
    """The speech behind ``speaking``."""
    return FakeSpeech()


@pytest.fixture
async def speaking(parts: FakeSpeech) -> AsyncIterator[Edge]:
    """An edge with speech. ``parts`` may be changed before a request, but for its settings and limits."""
    async with Edge(inference=FakeInference({ACME: CARDS, GLOBEX: CARDS[:1]}), speech=parts.made()).served() as running:
        yield running
