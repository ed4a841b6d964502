"""Processor time of a request in a gateway's own code, without sockets, router and relay: ``python bench/request_cost.py``.

The HTTP edge as an ASGI application, keys, admission, planning, metrics files, the usage ledger (SQLite) and the log (a line a
request, into a file) are the real ones, set up as the deployment does it; the engine's answer (one token, streamed) is there at
once. So it is what Python code costs for each request, and nothing of what a kernel or another process adds: ``bench.gateway``
measures that too, at the log level ``WARNING``.

``--against FOLDER`` measures another checkout beside this one: both are up at the same time and take turns, and the ratio is the
median of the rounds' ratios. That is what tells whether a change has gained something on a machine that does other things as well.
``--traced SHARE`` measures this checkout with so many of its requests traced beside itself without, in the same way; what takes the
spans is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODEL = "m"
IN_FLIGHT = 16
PROMPT = "x" * 400
KEY = "sk-" + "k" * 48


class FakeStream:
    """An engine's answer that is there already: a chunk, then the end."""

    def __init__(self, request_id: str) -> None:
        from cluster.engine.contract import EngineTiming, EngineUsage, Frame

        chunk = (
            b'{"id":"%b","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}'
            % request_id.encode()
        )
        self._frames = [
            Frame(payloads=[chunk]),
            Frame(usage=EngineUsage(prompt_tokens=100, completion_tokens=2), timing=EngineTiming(queue_s=0.0, prefill_s=0.001)),
        ]

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not self._frames:
            raise StopAsyncIteration
        return self._frames.pop(0)

    def flow(self, outlet: object) -> None:
        return

    async def cancel(self) -> None:
        return


class FakeRelay:
    def open(self, model: str, request: Any, ticket: Any) -> FakeStream:
        ticket.routed_to("replica")
        return FakeStream(request.request_id)


class Ready:
    ready = True
    waiting: tuple[str, ...] = ()


class Application:
    """A gateway's application, and a way to send requests through it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        body = {
            "model": MODEL,
            "messages": [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": PROMPT}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.7,
            "max_completion_tokens": 16,
        }
        self._body = json.dumps(body).encode()
        headers = {
            "host": "127.0.0.1:8000",
            "authorization": f"Bearer {KEY}",
            "content-type": "application/json",
            "content-length": str(len(self._body)),
            "accept": "application/json",
            "user-agent": "bench",
        }
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def request(self) -> None:
        given = False
        status = 0
        body = b""

        async def receive() -> dict[str, Any]:
            nonlocal given
            if given:
                await asyncio.get_running_loop().create_future()
            given = True
            return {"type": "http.request", "body": self._body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, body
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                body += message["body"]

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "root_path": "",
            "query_string": b"",
            "headers": self._headers,
        }
        await self._app(scope, receive, send)
        if status != 200 or not body.endswith(b"data: [DONE]\n\n"):
            raise RuntimeError(f"status {status}: {body[:500]!r}")

    async def requests(self, count: int) -> None:
        left = count

        async def worker() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await self.request()

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


class Discard(BaseHTTPRequestHandler):
    """A collector of spans that has no use for them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def collector() -> Iterator[str]:
    """The address of one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Discard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


async def serve(folder: Path, profile: Path | None, tracing: dict[str, Any]) -> None:
    """Answer numbers on standard input with figures, until it ends."""
    from cluster.admission.concurrency import ConcurrencyLimit
    from cluster.config.schema import ClusterConfig
    from cluster.config.settings.identity import IdentitySettings
    from cluster.config.settings.models import ModelSettings
    from cluster.config.settings.telemetry import TracingSettings
    from cluster.edges.http.app import build_app
    from cluster.identity.authenticator import Authenticator
    from cluster.identity.bootstrap import ensure_organization
    from cluster.identity.directory import Directory
    from cluster.inference.cluster_inference import ClusterInference
    from cluster.inference.prefix_planner import PrefixPlanner
    from cluster.inference.recorder import ClusterRecorder
    from cluster.prompt_cache.salt import SaltDeriver
    from cluster.store import schema
    from cluster.store.database import Database
    from cluster.store.ledger import UsageLedger
    from cluster.telemetry import logs
    from cluster.telemetry.metrics import GatewayMetrics
    from cluster.telemetry.tracing.opening import open_tracer

    config = ClusterConfig(
        models=[ModelSettings(id=MODEL, source=MODEL)],
        identity=IdentitySettings(outage_grace_s=3600.0),  # a busy machine can hold up the watch over keys
        tracing=TracingSettings(**tracing),
    )
    tracer = await open_tracer(config.tracing, "gateway")
    logs.configure(config.logging, "gateway")
    url = f"sqlite+aiosqlite:///{folder / 'ossature.db'}"
    await schema.upgrade(url)
    database = Database.open(url, config.database)
    await ensure_organization(database, "Bench", KEY)
    ledger = UsageLedger(database)
    await ledger.start()
    authenticator = Authenticator(database, config.identity, time.monotonic)
    await authenticator.start()
    inference = ClusterInference(
        models={MODEL: config.models[0]},
        relay=FakeRelay(),
        planner=PrefixPlanner(
            SaltDeriver(b"the secret of the benchmark alone", config.prompt_cache, time.time),
            config.prompt_cache,
            config.routing,
            lambda model: 1,
        ),
        limit=ConcurrencyLimit(config.admission.max_concurrent_requests_per_organization),
        max_in_progress=config.gateway.max_ongoing_requests,
        recorder=ClusterRecorder(GatewayMetrics([MODEL]), ledger, lambda model: 0),
        admission=config.admission,
        has_replica=lambda model: True,
        tracer=tracer,
    )

    async def status(_: object) -> dict[str, object]:
        return {}

    app = build_app(
        inference=inference,
        authenticate=authenticator.authenticate,
        directory=Directory(database),
        settings=config.http,
        readiness=Ready,
        status=status,
        tracer=tracer,
    )
    application = Application(app)
    await application.requests(200)
    profiler = cProfile.Profile(time.thread_time) if profile is not None else None
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        count = int(line)
        if profiler is not None:
            profiler.enable()
        began_s, began_loop_s = time.process_time(), time.thread_time()
        await application.requests(count)
        used_s, used_loop_s = time.process_time() - began_s, time.thread_time() - began_loop_s
        if profiler is not None:
            profiler.disable()
        print(json.dumps({"us": used_s / count * 1e6, "loop_us": used_loop_s / count * 1e6}), flush=True)
    if profiler is not None:
        profiler.dump_stats(profile)
    await asyncio.gather(authenticator.close(), ledger.close(), tracer.close())
    await database.close()


class Checkout:
    """A process that measures the code of one folder. ``tracing``: its settings of that name."""

    def __init__(self, folder: Path, profile: Path | None = None, tracing: dict[str, Any] | None = None) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        metrics = Path(self._scratch.name, "metrics")
        metrics.mkdir()
        command = [sys.executable, __file__, "--serve", self._scratch.name]
        if profile is not None:
            command += ["--profile", str(profile.resolve())]
        if tracing is not None:  # an older checkout may not know the option
            command += ["--tracing", json.dumps(tracing)]
        environment = os.environ | {"PYTHONPATH": str(folder.resolve()), "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        self._log = Path(self._scratch.name, "log")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._read()

    def measure(self, requests: int) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{requests}\n")
        self._process.stdin.flush()
        figures: dict[str, float] = json.loads(self._read())
        return figures

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._scratch.cleanup()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the measured process has ended: {self._log.read_text()[-2000:]}")
        return line


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="of each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--against", type=Path, help="another checkout, measured in turns")
    parser.add_argument("--traced", type=float, metavar="SHARE", help="share of requests that are traced here, and none there")
    parser.add_argument("--profile", type=Path, help="write cProfile's figures there, and print the largest")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tracing", type=json.loads, default={}, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        import uvloop

        uvloop.run(serve(options.serve, options.profile, options.tracing))
        return 0
    against = options.against or (ROOT if options.traced is not None else None)
    with ExitStack() as stack:
        tracing = None
        if options.traced is not None:
            tracing = {"endpoint": stack.enter_context(collector()), "sample_ratio": options.traced}
        checkouts = {"here": Checkout(ROOT, options.profile, tracing)} | ({"there": Checkout(against)} if against else {})
        for checkout in checkouts.values():
            stack.callback(checkout.close)
        rounds = [{name: checkout.measure(options.requests) for name, checkout in checkouts.items()} for _ in range(options.rounds)]
    for figure, meaning in (("us", "µs of processor time a request"), ("loop_us", "of it on the event loop")):
        for name in checkouts:
            values = [each[name][figure] for each in rounds]
            print(f"{name:<6} {statistics.median(values):>8.0f} {meaning} (least {min(values):.0f}, most {max(values):.0f})")
        if against:
            ratios = [each["here"][figure] / each["there"][figure] for each in rounds]
            print(f"ratio  {statistics.median(ratios):>8.3f} (least {min(ratios):.3f}, most {max(ratios):.3f})")
    if options.profile is not None:
        pstats.Stats(str(options.profile)).sort_stats("tottime").print_stats(45)
    return 0


if __name__ == "__main__":
    sys.exit(main())
