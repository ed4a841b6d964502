"""The call behind Ray Serve's own gRPC server and input stream, put together here as a replica does it, without a Ray cluster.

tests/integration/grpc has the same on a Ray Serve that runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from ray.serve._private.direct_ingress_grpc_util import gRPCDIReceiveStream
from ray.serve._private.grpc_util import gRPCGenericServer
from ray.serve._private.proxy_request_response import gRPCStreamingType
from ray.serve.grpc_util import RayServegRPCContext, gRPCInputStream

from cluster.edges.grpc.registration import add_services
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.edges.realtime.sessions import Sessions
from tests.unit.realtime.calls import calling, started
from tests.unit.realtime.fake_cluster import Cluster, authenticate, silence, spoken_word


@asynccontextmanager
async def serve_server(cluster: Cluster, sessions: Sessions) -> AsyncIterator[str]:
    edge = GrpcEdge(cluster.inference, authenticate, lambda: True, realtime=sessions)  # type: ignore[arg-type]

    def handler_of(service_method: str, streaming_type: gRPCStreamingType) -> Callable[..., Any]:
        async def handler(requests: Any, context: Any) -> AsyncIterator[bytes]:
            gone = asyncio.Event()
            stream = gRPCInputStream(
                gRPCDIReceiveStream(requests, asyncio.get_running_loop(), cancel_event=gone), cancel_event=gone
            )
            serve_context = RayServegRPCContext(context)
            async for message in getattr(edge, service_method.rpartition("/")[2])(stream, grpc_context=serve_context):
                yield message.SerializeToString()
            serve_context._set_on_grpc_context(context)

        return handler

    server = gRPCGenericServer(handler_of)
    add_services(edge, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_turn_is_spoken_and_answered() -> None:
    cluster = Cluster()
    async with serve_server(cluster, cluster.sessions()) as address, started(address) as call:
        initial: dict[str, Any] = dict(await call.rpc.initial_metadata())
        assert initial["x-request-id"].startswith("req_")
        await call.audio(silence(40) + spoken_word(4) + silence(500))
        done = await call.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "You said: hello."


async def test_status_of_a_session_that_can_t_be_had_reaches_the_client() -> None:
    cluster = Cluster()
    async with serve_server(cluster, cluster.sessions()) as address, started(address, model="nope") as call:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.rpc.read()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        trailers: Any = caught.value.trailing_metadata()
        assert "grpc-status-details-bin" in dict(trailers)


@pytest.mark.parametrize("leave", ["cancel", "done_writing"])
async def test_client_that_leaves_ends_its_session(leave: str) -> None:
    cluster = Cluster()
    sessions = cluster.sessions()
    async with serve_server(cluster, sessions) as address, calling(address) as call:
        await call.start()
        await call.event()
        assert sessions._open == 1
        left = getattr(call.rpc, leave)()
        if leave == "done_writing":
            await left
        async with asyncio.timeout(5):
            while sessions._open:  # noqa: ASYNC110 - of others' state
                await asyncio.sleep(0.01)
