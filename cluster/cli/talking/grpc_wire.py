"""The same connection by gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from cluster.cli.client import is_loopback
from cluster.cli.output import CommandError, ExitCode, printable
from cluster.cli.talking.talk import Event
from cluster.cli.talking.wire import Wire
from cluster.cli.target import Target
from cluster.edges.grpc.generated.ossature.realtime.v1.client_events_pb2 import SessionStart
from cluster.edges.grpc.generated.ossature.realtime.v1.realtime_pb2 import ConverseRequest
from cluster.edges.grpc.generated.ossature.realtime.v1.realtime_pb2_grpc import RealtimeServiceStub
from cluster.edges.grpc.realtime import events

_END: Any = grpc.aio.EOF  # type: ignore[attr-defined]  # missing in the stubs
_EXIT_CODES = {
    grpc.StatusCode.UNAUTHENTICATED: ExitCode.REFUSED,
    grpc.StatusCode.PERMISSION_DENIED: ExitCode.REFUSED,
    grpc.StatusCode.NOT_FOUND: ExitCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT: ExitCode.USAGE,
}


class GrpcWire:
    def __init__(self, call: Any, address: str) -> None:
        self._call = call
        self._address = address
        # A call takes one message at a time, and both who speaks and who reads have some to send.
        self._sending = asyncio.Lock()

    async def start(self, model: str) -> None:
        """Open the session, and wait until it is: an event that crosses a refusal could hide it. Raises :class:`CommandError`."""
        await self._write(ConverseRequest(session_start=SessionStart(model=model)))
        await self.receive()

    async def send(self, event: Event) -> None:
        await self._write(events.request_of(event))

    async def _write(self, request: ConverseRequest) -> None:
        try:
            async with self._sending:
                await self._call.write(request)
        except (grpc.RpcError, grpc.aio.UsageError):
            raise await self._broken() from None

    async def receive(self) -> Event | None:
        try:
            message = await self._call.read()
        except grpc.RpcError:
            raise await self._broken() from None
        if message is not _END:
            return events.server_document(message)
        if await self._call.code() is not grpc.StatusCode.OK:
            raise await self._broken()
        return None

    async def _broken(self) -> CommandError:
        code, details = await self._call.code(), printable(await self._call.details() or "")
        if code is grpc.StatusCode.UNAVAILABLE:
            return CommandError(f"{self._address} does not serve now: {details}", exit_code=ExitCode.UNREACHABLE)
        return CommandError(f"{details or 'the session broke off'} ({code.name})", exit_code=_EXIT_CODES.get(code, ExitCode.FAILED))


@asynccontextmanager
async def by_grpc(target: Target, model: str) -> AsyncIterator[Wire]:
    if target.grpc is None:
        raise CommandError(
            "no gRPC address is known",
            next_step="It stands in the endpoints file of a cluster that serves gRPC; --base-url gives none.",
            exit_code=ExitCode.USAGE,
        )
    # A proxy for the internet must not see connections to this machine.
    options = [("grpc.enable_http_proxy", 0)] if is_loopback(f"http://{target.grpc}") else []
    async with grpc.aio.insecure_channel(target.grpc, options=options) as channel:
        stub: Any = RealtimeServiceStub
        call = stub(channel).Converse(metadata=(("authorization", f"Bearer {target.api_key}"),))
        wire = GrpcWire(call, target.grpc)
        try:
            await wire.start(model)
            yield wire
        finally:
            call.cancel()
