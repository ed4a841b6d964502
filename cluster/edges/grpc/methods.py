"""What all methods of the gRPC edge have in common: who calls, with what, and how the call ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.completions.service import StoredCompletions
from cluster.edges.grpc.call import Context, RpcCall
from cluster.edges.grpc.health import Health
from cluster.edges.grpc.patience import ReaderPatience
from cluster.edges.realtime.sessions import Sessions
from cluster.edges.refusals import OnRefusal
from cluster.errors import InvalidRequest, MethodNotAllowed, PermissionDenied, RequestTooLarge
from cluster.evals.eval_service import Evals
from cluster.evals.runs.run_service import EvalRuns
from cluster.identity.principal import Principal
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.service import Inference
from cluster.telemetry import logs
from cluster.telemetry.tracing.span import Tracer
from cluster.tuning.service import FineTuning

Authenticate = Callable[[str, str | None, str | None], Awaitable[Principal]]
"""From an API key's secret, and the organization and project to act for, to the caller. Raises ``Unauthenticated``."""

OFF_LOOP_BYTES: Final = 256 << 10
"""Messages from this size on are translated in a thread: it takes milliseconds, in which no stream could move."""

SMALL_BYTES: Final = 64 << 10
"""What a request may have that carries no data of its own, as over HTTP."""

WATCHES: Final = 100
"""How many watches an organization may have on one gateway, where nothing else is set."""

_M = TypeVar("_M", bound=Message)
_Answer = TypeVar("_Answer", bound=Message)
_Self = TypeVar("_Self", bound="Methods")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a gateway keeps for organizations: the services that are behind the HTTP edge as well."""

    completions: StoredCompletions
    evals: Evals
    runs: EvalRuns
    tuning: FineTuning


@dataclass(frozen=True, slots=True)
class EdgeParts:
    inference: Inference
    authenticate: Authenticate
    health: Health
    max_request_bytes: int
    write_timeout_s: float
    limits: RequestLimits
    on_refusal: OnRefusal
    realtime: Sessions | None
    kept: Kept | None
    watches: ConcurrencyLimit
    watch_s: float
    tracer: Tracer


class Methods:
    """Base of the methods of a service. Requests are serialized messages (see ``handlers.py``), answers message objects.

    No method raises for what a caller did or the cluster can't: they set a status on the context and return an empty message.
    """

    # One attribute under a name of its own: the class is mixed into a deployment that has attributes too.
    _grpc_edge: EdgeParts

    @property
    def _kept(self) -> Kept:
        kept = self._grpc_edge.kept
        assert kept is not None  # or there would be no member
        return kept

    async def _principal(self, rpc: RpcCall, method: str | None) -> Principal:
        """``method``: ``package.Service/Method``; ``None`` where a call is more than one span."""
        if method is not None and self._grpc_edge.tracer.on:
            rpc.traced(self._grpc_edge.tracer, method)
        principal = await self._grpc_edge.authenticate(*rpc.credentials())
        rpc.org_id = principal.org_id
        logs.bind(request_id=rpc.request_id, org_id=principal.org_id or None)
        admin_key = rpc.admin_key()
        if admin_key is not None:
            rpc.explain = (await self._grpc_edge.authenticate(admin_key, None, None)).admin
        return principal

    async def _member(self, rpc: RpcCall, method: str | None) -> Principal:
        """A caller who acts for an organization, of a server that keeps something for them."""
        principal = await self._principal(rpc, method)
        if principal.admin:
            raise PermissionDenied("An admin key has no project. Create a key of an organization for that.")
        if self._grpc_edge.kept is None:
            raise MethodNotAllowed("This server keeps nothing for organizations.", code="not_served")
        return principal

    def _decoded(self, request: bytes, kind: type[_M], max_bytes: int | None = None) -> _M:
        most = self._grpc_edge.max_request_bytes if max_bytes is None else min(max_bytes, self._grpc_edge.max_request_bytes)
        if len(request) > most:
            raise RequestTooLarge(f"The request has {len(request)} bytes; at most {most} bytes are accepted.")
        try:
            return kind.FromString(request)
        except DecodeError:
            raise InvalidRequest(
                f"The request is not a valid {kind.DESCRIPTOR.full_name} message.", code="invalid_message"
            ) from None


_UnaryWork = Callable[[_Self, Principal, _M], Awaitable[_Answer]]
_StreamWork = Callable[[_Self, Principal, _M], AsyncGenerator[_Answer, None]]
_Unary = Callable[[_Self, bytes, Context], Awaitable[_Answer]]
_Stream = Callable[[_Self, bytes, Context], AsyncGenerator[_Answer, None]]


def unary(
    kind: type[_M], answer: type[_Answer], max_bytes: int | None = SMALL_BYTES
) -> Callable[[_UnaryWork[_Self, _M, _Answer]], _Unary[_Self, _Answer]]:
    """Make a method of what it does for a member of an organization with a decoded request.

    ``max_bytes``: largest request; ``None`` for as much as an HTTP body may have.
    """

    name = _method_of(kind)

    def made(work: _UnaryWork[_Self, _M, _Answer]) -> _Unary[_Self, _Answer]:
        async def method(self: _Self, request: bytes, grpc_context: Context) -> _Answer:
            rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
            with rpc.reported():
                principal = await self._member(rpc, name)
                return await work(self, principal, await off_loop(len(request), self._decoded, request, kind, max_bytes))
            return answer()

        return _named(method, work)

    return made


def streaming(kind: type[_M], answer: type[_Answer]) -> Callable[[_StreamWork[_Self, _M, _Answer]], _Stream[_Self, _Answer]]:
    """The same for a method that answers with a stream. It ends at once when its client goes, or takes nothing for too long."""

    def made(work: _StreamWork[_Self, _M, _Answer]) -> _Stream[_Self, _Answer]:
        async def method(self: _Self, request: bytes, grpc_context: Context) -> AsyncGenerator[_Answer, None]:
            rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
            with rpc.reported():
                principal = await self._member(rpc, None)
                async with aclosing(work(self, principal, self._decoded(request, kind, SMALL_BYTES))) as answers:
                    patience = ReaderPatience(self._grpc_edge.write_timeout_s, answers.aclose)
                    async for each in answers:
                        with patience:
                            yield each
            yield answer()  # carries the status, see handlers.py

        return _named(method, work)

    return made


_Result = TypeVar("_Result")
_Function = TypeVar("_Function", bound=Callable[..., object])


def _method_of(kind: type[Message]) -> str:
    """``package.Service/Method`` of the method that takes such messages."""
    services = kind.DESCRIPTOR.file.services_by_name.values()
    return next(f"{each.full_name}/{m.name}" for each in services for m in each.methods if m.input_type is kind.DESCRIPTOR)


def _named(method: _Function, work: Callable[..., object]) -> _Function:
    """As ``functools.wraps``, without the annotations: Ray Serve looks for ``grpc_context`` among the parameters."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(method, name, getattr(work, name))
    return method


async def off_loop(size_bytes: int, work: Callable[..., _Result], *arguments: object) -> _Result:
    """``work(*arguments)``, in a thread if there is much to do."""
    return await asyncio.to_thread(work, *arguments) if size_bytes >= OFF_LOOP_BYTES else work(*arguments)
