"""The application of the Ray Serve rows: an ingress that streams from a handle, and workers with the same fake engine.

python -m bench.live.ray_serve_app --port 8123 --replicas 2
"""

from __future__ import annotations

import argparse
import itertools
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import ray
from fastapi import FastAPI, Request
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.handle import DeploymentHandle
from starlette.responses import Response, StreamingResponse

from bench.fakes.engine import FakeEngine
from bench.fakes.worker import MODEL
from cluster.engine.contract import EngineRequest, Operation

NAME = "bench"
_OPTIONS: dict[str, Any] = {"max_ongoing_requests": 1000, "ray_actor_options": {"num_cpus": 0.1}}
api = FastAPI()


class Worker:
    async def __init__(self) -> None:  # type: ignore[misc]  # Ray Serve awaits it
        self._engine = FakeEngine(MODEL)
        await self._engine.start()
        self._ids = itertools.count(1)

    async def stream(self, body: bytes) -> AsyncGenerator[str, None]:
        """Server-sent events, one a token."""
        request = EngineRequest(f"chatcmpl-{next(self._ids):024x}", Operation.CHAT, body, True, "", "")
        async for frame in self._engine.generate(request):
            if frame.payloads:
                yield "".join(f"data: {payload.decode()}\n\n" for payload in frame.payloads)
            if frame.usage is not None:
                usage = f'{{"completion_tokens":{frame.usage.completion_tokens}}}'
                yield f'data: {{"choices":[],"usage":{usage}}}\n\ndata: [DONE]\n\n'


class Ingress:
    def __init__(self, workers: DeploymentHandle) -> None:
        self._workers = workers.options(stream=True)

    @api.get("/v1/models")
    async def models(self) -> Response:
        return Response('{"object":"list","data":[]}', media_type="application/json")

    @api.post("/v1/chat/completions")
    async def chat(self, request: Request) -> StreamingResponse:
        answer: AsyncIterator[str] = self._workers.stream.remote(await request.body())
        return StreamingResponse(answer, media_type="text/event-stream")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.live.ray_serve_app", description="Ray Serve's own streaming.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--replicas", type=int, required=True)
    options = parser.parse_args()
    stop = threading.Event()
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=128 << 20, log_to_driver=False)
    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=options.port))
    workers: Any = serve.deployment(Worker).options(num_replicas=options.replicas, **_OPTIONS)
    ingress: Any = serve.deployment(serve.ingress(api)(Ingress)).options(**_OPTIONS)
    serve.run(ingress.bind(workers.bind()), name=NAME, route_prefix="/")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
