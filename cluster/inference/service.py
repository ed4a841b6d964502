"""The inside of the cluster: takes a principal and a typed request, returns an answer. Every edge goes through here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.inference.usage import Usage
from cluster.relay.contract import Outlet
from cluster.telemetry.tracing.span import Span


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a client may know of a model. ``created``: Unix seconds; ``max_model_len``: context window in tokens, if configured.

    ``started``: whether the cluster has engines for it; those of a tuned model with weights of its own start with its next start.
    """

    id: str
    created: int
    owned_by: str
    max_model_len: int | None = None
    started: bool = True


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer: ``body`` is OpenAI's response object as JSON, usage included. ``route`` tells how it was routed."""

    request_id: str
    body: bytes
    usage: Usage
    route: str


class CompletionStream(Protocol):
    """An answer in pieces. Its first piece exists already, so that errors before it have been raised by ``stream()``."""

    request_id: str
    route: str

    def __aiter__(self) -> AsyncIterator[list[bytes]]:
        """Batches of finished chunk objects (JSON, unframed), as soon as they exist, the usage chunk last where it was asked for.

        Raises :class:`~cluster.errors.OssatureError` when the answer can't be finished.
        """
        ...

    def flow(self, outlet: Outlet) -> None:
        """Let later chunk objects go to ``outlet`` the moment they come; what it doesn't take, and the last ones, are iterated.

        To be called between two batches. An answer that can't do so goes on to be iterated for all of them.
        """
        ...

    @property
    def usage(self) -> Usage | None:
        """Set once the iteration has ended."""
        ...

    async def aclose(self) -> None:
        """Abort the generation if it has not ended. Idempotent; must be called in any case."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """How a request came in: ``edge`` (``http``, ``grpc``), its trace id, and how long it may take, in seconds.

    ``explain``: an admin asked for the reasons of the routing decision, which name replicas. ``probation``: a tuned model may be
    asked that its organization can't see yet; no edge sets it, only what examines such a model. ``span``: of the request at its
    edge; ``None`` where nobody has decided yet whether it is traced.
    """

    edge: str
    trace_id: str
    timeout_s: float | None = None
    explain: bool = False
    probation: bool = False
    span: Span | None = None


class Inference(Protocol):
    """What edges call. All methods raise :class:`~cluster.errors.OssatureError` only."""

    def models(self, principal: Principal) -> list[ModelCard]:
        """Those of the cluster's models that this caller may use."""
        ...

    def model(self, principal: Principal, model_id: str) -> ModelCard:
        """One of them. Raises ``ModelNotFound`` for unknown ones and for those of another organization alike."""
        ...

    async def list_models(self, principal: Principal) -> list[ModelCard]:
        """All that this caller may use, tuned ones included. Raises ``StoreUnavailable``."""
        ...

    async def find_model(self, principal: Principal, model_id: str) -> ModelCard:
        """One of them. Raises as :meth:`model`, and ``StoreUnavailable``."""
        ...

    async def delete_model(self, principal: Principal, model_id: str) -> None:
        """Delete a tuned model of the caller's. Raises as :meth:`find_model`, and ``PermissionDenied`` for the cluster's own."""
        ...

    async def complete(self, principal: Principal, request: GenerationRequest, call: Call) -> Completion:
        """Answer in one piece. Cancelling the task aborts the generation."""
        ...

    async def stream(self, principal: Principal, request: GenerationRequest, call: Call) -> CompletionStream:
        """Answer in pieces; returns when the first one is there."""
        ...
