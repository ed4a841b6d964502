"""What a streamed token costs between engine replica and gateway, by relay: microseconds of processor time of both processes.

    python bench/relay.py [--rounds 5] [--json FILE]

A scripted engine answers 50 steps a second to all its streams, one chunk of a chat completion for each; a gateway without edges
reads and drops them. Rows: the two relays of the cluster, ``stepped`` with requests over its channel and by Ray Serve's handle; and
Serve's streaming handle with one item a token, with and without its throughput mode (``RAY_SERVE_THROUGHPUT_OPTIMIZED``, set for
the processes of its row). The cluster's relays have its request router, the others Serve's own. All rows take turns in one Ray.

Processor time is that of all threads of a process (``/proc/PID/task/*/schedstat``) less what the process spends when idle; a window
opens when all streams have begun and closes before the first one ends, so that the requests' own cost stays out. That is measured
apart, for answers of one token after prompts of 600 bytes and of 600 kilobytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Ray Serve reads its environment when it is imported, and what it has read goes into the handles that this process makes.
os.environ |= {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}

import ray
from ray import serve
from ray.serve.config import RequestRouterConfig
from ray.serve.handle import DeploymentHandle

from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineRequest, EngineUsage, Frame, Operation, PayloadSink
from cluster.engine.deployment import EngineReplica
from cluster.relay.channel.calls import Calls
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel.replica_end import Dialer
from cluster.relay.channel.replies import Replies
from cluster.relay.contract import Relay
from cluster.relay.handle import HandleRelay
from cluster.relay.observer import SilentChannelObserver
from cluster.relay.stepped import SteppedRelay
from cluster.routing.ticket import RouteTicket
from cluster.runtime.serve_gate import ServeGate

STEP_S = 0.02
WINDOW_S = 2.0
IDLE_S = 1.0
STREAMS = (1, 16, 64)
REQUESTS = 60
BODY_BYTES = (600, 600_000)
CHUNK = (
    b'{"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","created":1767225600,'
    b'"model":"gpt-oss-120b","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}'
)
SETTINGS = RelaySettings()
_ROUTER = RequestRouterConfig(request_router_class="cluster.inference.request_router:PrefixRouter")
KEY = ChannelKey.of(b"the secret of the benchmark alone")


@dataclass(frozen=True)
class Row:
    name: str
    #: ``calls``, ``stepped``, ``handle``, or ``items``: a handle that streams one item a token.
    way: str
    throughput_mode: bool

    @property
    def app(self) -> str:
        return f"{self.way}-{'throughput' if self.throughput_mode else 'default'}"


ROWS = (
    Row("stepped", "calls", True),
    Row("stepped, requests by the handle", "stepped", True),
    Row("handle", "handle", True),
    Row("Serve, an item a token, throughput mode", "items", True),
    Row("Serve, an item a token, default mode", "items", False),
)


def cpu_s(pid: int) -> float:
    """Processor time of a process in seconds, to the nanosecond."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total_ns += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:  # the thread has just ended
            continue
    return total_ns / 1e9


class FakeEngine:
    """Steps like an engine with a full batch: one chunk for each stream, all in one turn of the loop."""

    def __init__(self) -> None:
        self._beat: asyncio.Future[None] | None = None
        self.running = 0

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def check_health(self) -> None:
        return

    async def step(self) -> None:
        if self._beat is None or self._beat.done():
            loop = asyncio.get_running_loop()
            self._beat = loop.create_future()
            loop.call_later(STEP_S, self._beat.set_result, None)
        await asyncio.shield(self._beat)

    async def generate(self, request: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        self.running += 1
        try:
            yield Frame(payloads=[CHUNK])
            while request.stream:
                await self.step()
                yield Frame(payloads=[CHUNK])
        finally:
            self.running -= 1
        yield Frame(usage=EngineUsage(prompt_tokens=1, completion_tokens=1))


class FakeEngineReplica(EngineReplica):
    """The cluster's replica around that engine; ``items`` is what a plain Serve application would do."""

    def __init__(self) -> None:
        self._fake = FakeEngine()
        gate = ServeGate.of_this_process()
        dialer = Dialer(serve.get_replica_context().replica_id.unique_id, KEY, SETTINGS.max_request_bytes, SETTINGS.peer_timeout_s)
        if gate is not None:
            dialer.calls = Calls(gate, SETTINGS.max_request_bytes)
        super().__init__(
            ModelSettings(id="m", source="org/m"),
            SETTINGS,
            engine=self._fake,
            replies=Replies(dialer, SETTINGS.max_request_bytes),
        )

    async def pid(self) -> int:
        return os.getpid()

    async def running(self) -> int:
        return self._fake.running

    async def items(self, request: EngineRequest, ticket: RouteTicket | None = None) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._fake.generate(request)) as frames:
            async for frame in frames:
                for payload in frame.payloads:
                    yield payload


class ItemStream:
    """One item a token, each a frame of its own."""

    def __init__(self, handle: DeploymentHandle, request: EngineRequest, ticket: RouteTicket) -> None:
        self._response = handle.items.remote(request, ticket=ticket)

    async def __aiter__(self) -> AsyncIterator[Frame]:
        async for item in self._response:
            yield Frame(payloads=[item])

    async def cancel(self) -> None:
        self._response.cancel()


class ItemRelay:
    """Ray Serve's streaming handle as its documentation has it."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle.options(stream=True)

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> ItemStream:
        return ItemStream(self._handle, request, ticket)


class FakeGateway:
    """Reads streams and drops them, as many at a time as it is told."""

    def __init__(self, way: str, throughput_mode: bool, engine: DeploymentHandle) -> None:
        self._way = way
        # What each mode takes for itself where the handle is made: gRPC, or Ray's actor calls.
        self._engine = engine.options(_by_reference=not throughput_mode)
        self._relay: Relay | None = None
        self._tokens = 0
        self._engine_pid = 0

    async def prepare(self) -> None:
        self._engine_pid = await self._engine.pid.remote()
        if self._way in ("stepped", "calls"):
            settings = SETTINGS.model_copy(update={"calls": "channel" if self._way == "calls" else "handle"})
            stepped = SteppedRelay({"m": self._engine}, settings, KEY, SilentChannelObserver())
            await stepped.start("127.0.0.1")
            self._relay = stepped
        else:
            self._relay = HandleRelay({"m": self._engine}) if self._way == "handle" else ItemRelay(self._engine)

    async def idle(self) -> tuple[float, float]:
        """Processor seconds a second of this process and the replica's with nothing to do."""
        before = self._cpu_s()
        began_s = time.monotonic()
        await asyncio.sleep(IDLE_S)
        passed_s = time.monotonic() - began_s
        return self._per(before, passed_s)

    async def stream(self, streams: int) -> tuple[float, float, float, int]:
        """Processor seconds of both processes in a window of so many seconds, and the tokens that came in it."""
        begun = asyncio.Semaphore(0)
        readers = [asyncio.create_task(self._read(number, begun)) for number in range(streams)]
        for _ in readers:
            await begun.acquire()
        await asyncio.sleep(4 * STEP_S)
        before, tokens, began_s = self._cpu_s(), self._tokens, time.monotonic()
        await asyncio.sleep(WINDOW_S)
        after, tokens, passed_s = self._cpu_s(), self._tokens - tokens, time.monotonic() - began_s
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        # What goes on by mistake would be counted for others.
        async with asyncio.timeout(10):
            while await self._engine.running.remote():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        return after[0] - before[0], after[1] - before[1], passed_s, tokens

    async def requests(self, body_bytes: int) -> tuple[float, float, float]:
        """One after the other: processor seconds a request of both processes, and the median until the first frame, in seconds."""
        body = b'{"messages":[{"role":"user","content":"' + b"x" * (body_bytes - 43) + b'"}]}'
        waits: list[float] = []
        before = self._cpu_s()
        for number in range(REQUESTS):
            began_s = time.monotonic()
            stream = self._open(number, body, endless=False)
            async for _ in stream:
                if len(waits) == number:
                    waits.append(time.monotonic() - began_s)
        after = self._cpu_s()
        return (after[0] - before[0]) / REQUESTS, (after[1] - before[1]) / REQUESTS, statistics.median(waits)

    async def _read(self, number: int, begun: asyncio.Semaphore) -> None:
        stream = self._open(number, b"{}", endless=True)
        first = True
        try:
            async for frame in stream:
                self._tokens += len(frame.payloads)
                if first:
                    first = False
                    begun.release()
        finally:
            await stream.cancel()

    def _open(self, number: int, body: bytes, *, endless: bool) -> Any:
        assert self._relay is not None
        request = EngineRequest(f"chatcmpl-{number}", Operation.CHAT, body, stream=endless, cache_salt="s" * 44, org_tag="o" * 32)
        return self._relay.open("m", request, RouteTicket())

    def _cpu_s(self) -> tuple[float, float]:
        return cpu_s(os.getpid()), cpu_s(self._engine_pid)

    def _per(self, before: tuple[float, float], passed_s: float) -> tuple[float, float]:
        after = self._cpu_s()
        return (after[0] - before[0]) / passed_s, (after[1] - before[1]) / passed_s


def deploy(row: Row) -> DeploymentHandle:
    mode = {
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1" if row.throughput_mode else "0",
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(SETTINGS.max_request_bytes),
    }
    options: dict[str, Any] = {
        "max_ongoing_requests": 1000,
        "graceful_shutdown_timeout_s": 1,
        "ray_actor_options": {"num_cpus": 0, "runtime_env": {"env_vars": mode}},
    }
    router = {} if row.way == "items" else {"request_router_config": _ROUTER}
    engine = serve.deployment(FakeEngineReplica).options(name="engine", **options, **router)
    gateway = serve.deployment(FakeGateway).options(name="gateway", **options)
    return serve.run(gateway.bind(row.way, row.throughput_mode, engine.bind()), name=row.app, route_prefix=None)


async def measure(
    gateways: Mapping[str, DeploymentHandle], rounds: int, progress: Callable[[str], None]
) -> dict[str, dict[str, list[float]]]:
    """Figures of every round by row: microseconds a token, a request, and milliseconds to the first frame."""
    for gateway in gateways.values():
        await gateway.prepare.remote()
        await gateway.stream.remote(4)  # warm
    figures: dict[str, dict[str, list[float]]] = {row.name: {} for row in ROWS}

    def note(row: Row, name: str, value: float) -> None:
        figures[row.name].setdefault(name, []).append(value)

    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for row in ROWS:
            gateway = gateways[row.name]
            idle = await gateway.idle.remote()
            for streams in STREAMS:
                gateway_s, replica_s, passed_s, tokens = await gateway.stream.remote(streams)
                gateway_us = (gateway_s - idle[0] * passed_s) / tokens * 1e6
                replica_us = (replica_s - idle[1] * passed_s) / tokens * 1e6
                note(row, f"gateway us/token at {streams}", gateway_us)
                note(row, f"replica us/token at {streams}", replica_us)
                note(row, f"both us/token at {streams}", gateway_us + replica_us)
                note(row, f"tokens/s at {streams}", tokens / passed_s)
            for body_bytes in BODY_BYTES:
                gateway_s, replica_s, wait_s = await gateway.requests.remote(body_bytes)
                note(row, f"both us/request of {body_bytes} B", (gateway_s + replica_s) * 1e6)
                note(row, f"ms to the first frame, {body_bytes} B", wait_s * 1e3)
    return figures


async def run(rounds: int) -> dict[str, dict[str, list[float]]]:
    # In throughput mode a handle lives on the loop of whoever uses it, and is shut down there.
    serve.start(proxy_location="Disabled")
    try:
        return await measure({row.name: deploy(row) for row in ROWS}, rounds, lambda text: print(text, flush=True))
    finally:
        serve.shutdown()


def table(medians: dict[str, dict[str, float]]) -> str:
    lines = []
    for streams in STREAMS:
        lines.append(f"\n{streams} stream{'s' if streams > 1 else ''}, µs of processor time a token")
        lines.append(f"{'':<42}{'gateway':>9}{'replica':>9}{'both':>9}{'ratio':>8}{'tokens/s':>10}")
        best = medians[ROWS[0].name][f"both us/token at {streams}"]
        for name, of in medians.items():
            both = of[f"both us/token at {streams}"]
            lines.append(
                f"{name:<42}{of[f'gateway us/token at {streams}']:>9.1f}{of[f'replica us/token at {streams}']:>9.1f}"
                f"{both:>9.1f}{both / best:>8.1f}{of[f'tokens/s at {streams}']:>10.0f}"
            )
    lines.append("\nanswers of one token, one after the other")
    lines.append(f"{'':<42}" + "".join(f"{f'µs, {size} B':>14}{'ms to first':>14}" for size in BODY_BYTES))
    for name, of in medians.items():
        lines.append(
            f"{name:<42}"
            + "".join(
                f"{of[f'both us/request of {size} B']:>14.0f}{of[f'ms to the first frame, {size} B']:>14.2f}" for size in BODY_BYTES
            )
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write every round's figures there")
    arguments = parser.parse_args()

    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    try:
        figures = asyncio.run(run(arguments.rounds))
    finally:
        ray.shutdown()
    medians = {row: {name: statistics.median(values) for name, values in of.items()} for row, of in figures.items()}
    print(table(medians))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"medians": medians, "rounds": figures}, indent=1))


if __name__ == "__main__":
    main()
