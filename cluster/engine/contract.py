"""What every engine takes and gives. The gateway side (relay) and the replica side (deployment) share these types.

An answer is a sequence of :class:`Frame`. Payloads are finished JSON objects in OpenAI's shape (chunks when streaming, else one
body), so that nothing on the way has to parse a token. Usage travels apart, typed and exact, in the last frame: what a client is
shown of it (rounding, ``include_usage``) is decided by the gateway.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Protocol

import msgspec


class Operation(StrEnum):
    CHAT = "chat"
    COMPLETION = "completion"


class AdapterFile(msgspec.Struct, frozen=True):
    """One file of an adapter: its key in the store of tuned models, the SHA-256 of its content in hexadecimal, and its length."""

    key: str
    sha256: str
    size_bytes: int


class Adapter(msgspec.Struct, frozen=True):
    """A LoRA adapter that an engine adds to its model's weights for one request. ``name`` is the tuned model's, unique for ever:

    what is cached of prompts is kept apart by it.
    """

    name: str
    rank: int
    config: AdapterFile
    weights: AdapterFile

    @property
    def size_bytes(self) -> int:
        return self.config.size_bytes + self.weights.size_bytes


class EngineRequest(msgspec.Struct, frozen=True):
    """One request as an engine replica receives it.

    ``request_id`` is the id of the answer (``chatcmpl-…``); ``body`` the validated request as JSON in OpenAI's shape, without
    any cache salt of the client. ``cache_salt`` is the cluster's own (see ``prompt_cache``). ``org_tag`` is an opaque, stable
    tag of the organization, for the isolation watch only. Lower ``priority`` runs first. ``deadline_unix_s``: seconds since
    the epoch after which no work must be started. ``adapter``: the tuned model that is to answer; the body names it as its model.
    ``trace``: the gateway's span that the replica's go below, as W3C's ``traceparent``; ``None`` when the request isn't traced.
    """

    request_id: str
    operation: Operation
    body: bytes
    stream: bool
    cache_salt: str
    org_tag: str
    priority: int = 0
    deadline_unix_s: float | None = None
    adapter: Adapter | None = None
    trace: str | None = None


class EngineUsage(msgspec.Struct, frozen=True):
    """Exact token counts of one request. ``cached_tokens`` is the engine's own count, before any rounding."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class EngineTiming(msgspec.Struct, frozen=True):
    """Seconds, measured inside the replica: waiting in the engine's queue, prefill (first scheduled to first token), and decode

    (first token to last), where the engine tells.
    """

    queue_s: float
    prefill_s: float
    decode_s: float | None = None


class FaultKind(StrEnum):
    INVALID_REQUEST = "invalid_request"
    CONTEXT_LENGTH = "context_length"
    DEADLINE = "deadline"
    OVERLOADED = "overloaded"
    ADAPTER_UNUSABLE = "adapter_unusable"
    ADAPTER_UNREACHABLE = "adapter_unreachable"
    ENGINE_DEAD = "engine_dead"
    INTERNAL = "internal"


class Fault(msgspec.Struct, frozen=True):
    """Why an answer ended early. The message may be shown to the client for all kinds but ``ENGINE_DEAD`` and ``INTERNAL``."""

    kind: FaultKind
    message: str
    param: str | None = None
    code: str | None = None


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an engine has produced since the previous frame. Only the last frame has ``usage`` or ``fault``."""

    payloads: list[bytes] = []
    usage: EngineUsage | None = None
    timing: EngineTiming | None = None
    fault: Fault | None = None

    @property
    def last(self) -> bool:
        return self.usage is not None or self.fault is not None


class PayloadSink(Protocol):
    """Takes the payloads of one answer in the very turn of the event loop in which they are made."""

    @property
    def ready(self) -> bool:
        """Whether :meth:`put` may be called now: the reader keeps up, and nothing given before is still on its way here."""
        ...

    def put(self, payloads: list[bytes]) -> None: ...


class Engine(Protocol):
    """A model that answers. Implementations: ``vllm/`` (others later). All methods run on one event loop."""

    async def start(self) -> None:
        """Load the model and warm it up. Raises when it cannot serve."""
        ...

    def generate(self, request: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        """Answer a request, one frame per engine output. Closing the generator aborts the generation within one engine step.

        With a ``sink``, payloads may go there instead, while the generator waits to be asked for nothing and the sink is ready. The
        first frame and the last one are always the generator's.
        Never raises for what a request does wrong or what the engine can't do: that is a frame with a fault.
        """
        ...

    async def check_health(self) -> None:
        """Return when the engine can generate; raise otherwise (the replica is then replaced)."""
        ...

    async def stop(self) -> None:
        """End every process of the engine."""
        ...
