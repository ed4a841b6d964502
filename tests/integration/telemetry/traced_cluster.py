"""A gateway and an engine replica in one process: the real edge, inside, routing policy, relay and replica; what Serve does is not.

Each of the two has a tracer of its own, as the two processes have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.gateway.fake_replica import FakeGate
from bench.gateway.fake_router import FakeRouter
from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.edges import AdmissionSettings
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.prompt_cache import PromptCacheSettings
from cluster.config.settings.routing import RelaySettings, RoutingSettings
from cluster.engine.contract import EngineRequest, EngineTiming, EngineUsage, Frame, PayloadSink
from cluster.engine.deployment import EngineReplica
from cluster.inference.cluster_inference import ClusterInference
from cluster.inference.prefix_planner import PrefixPlanner
from cluster.prompt_cache.salt import SaltDeriver
from cluster.relay.channel.calls import Calls
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel.replica_end import Dialer
from cluster.relay.channel.replies import Replies
from cluster.relay.observer import SilentChannelObserver
from cluster.relay.stepped import SteppedRelay
from cluster.routing.policies.by_name import PolicyOptions
from cluster.routing.ticket import RouteTicket
from cluster.telemetry.tracing.span import Tracer
from tests.unit.http.conftest import Edge
from tests.unit.inference.test_cluster_inference import Records

MODEL = "alpha"
REPLICA_ID = "r-1"
KEY = ChannelKey.of(b"the secret of the test's cluster..")
CHUNK = b'{"id":"x","object":"chat.completion.chunk","created":7,"choices":[{"index":0,"delta":{"content":"marked-answer"}}]}'
USAGE = EngineUsage(prompt_tokens=2000, completion_tokens=4, cached_tokens=1024)


class FakeEngine:
    """Four tokens, 10 ms apart."""

    async def start(self) -> None:
        return

    async def generate(self, request: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        await asyncio.sleep(0.03)
        for _ in range(4):
            await asyncio.sleep(0.01)
            yield Frame(payloads=[CHUNK])
        yield Frame(usage=USAGE, timing=EngineTiming(queue_s=0.01, prefill_s=0.02))

    async def check_health(self) -> None:
        return

    async def stop(self) -> None:
        return


class FakeResponse:
    def __init__(self, items: AsyncGenerator[bytes, None]) -> None:
        self._items = items
        self._replica_result_future: asyncio.Future[FakeResponse] = asyncio.get_running_loop().create_future()
        self._replica_result_future.set_result(self)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._items

    def cancel(self) -> None:
        """Nothing is cancelled here."""


class FakeHandle:
    """Stands for Ray Serve's handle: calls the replica in this process."""

    deployment_name = f"engine:{MODEL}"

    def __init__(self, replica: EngineReplica) -> None:
        self._replica = replica

    def options(self, **_: Any) -> FakeHandle:
        return self

    def remote(self, packed: bytes, ticket: RouteTicket) -> FakeResponse:
        ticket.routed_to(REPLICA_ID)
        return FakeResponse(self._replica.open(packed, ticket.arriving()))


@asynccontextmanager
async def traced_cluster(gateway: Tracer, engine: Tracer) -> AsyncIterator[Edge]:
    relay_settings, routing = RelaySettings(), RoutingSettings()
    model = ModelSettings(id=MODEL, source="x")
    dialer = Dialer(REPLICA_ID, KEY, relay_settings.max_request_bytes, relay_settings.peer_timeout_s)
    replica = EngineReplica(
        model, relay_settings, engine=FakeEngine(), replies=Replies(dialer, relay_settings.max_request_bytes), tracer=engine
    )
    dialer.calls = Calls(FakeGate(replica), relay_settings.max_request_bytes)
    handle = FakeHandle(replica)
    relay = SteppedRelay({MODEL: handle}, relay_settings, KEY, SilentChannelObserver())  # type: ignore[dict-item]
    await relay.start("127.0.0.1")
    options = PolicyOptions(routing.load_factor, routing.index_entries, routing.block_bytes, routing.recompute_weight)
    FakeRouter(REPLICA_ID, options).publish(handle.deployment_name)
    cache = PromptCacheSettings()
    inference = ClusterInference(
        models={MODEL: model},
        relay=relay,
        planner=PrefixPlanner(SaltDeriver(b"s" * 32, cache, time.time), cache, routing, lambda model: 1),
        limit=ConcurrencyLimit(8),
        max_in_progress=8,
        recorder=Records(),
        admission=AdmissionSettings(),
        has_replica=lambda model: True,
        tracer=gateway,
    )
    try:
        async with Edge(inference=inference, tracer=gateway).served() as edge:
            yield edge
    finally:
        await relay.close()
        await replica.stop()
