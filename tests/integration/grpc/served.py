"""The gRPC edge on Ray Serve without engines: ``python -m tests.integration.grpc.served GRPC_PORT HTTP_PORT``.

Writes one line when it serves, and ends when its standard input is closed. Answers by what the last message says.
"""

from __future__ import annotations

import json
import sys

import ray
from ray import serve
from ray.serve.config import HTTPOptions, gRPCOptions

from cluster.config.settings.realtime import RealtimeSettings
from cluster.edges.grpc.registration import SERVICER_FUNCTIONS
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.edges.realtime.sessions import Sessions
from cluster.errors import EngineFailed, Overloaded
from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.inference.service import Call, Completion, ModelCard
from cluster.realtime.driver.observer import Unobserved
from cluster.realtime.driver.speech import NO_SPEECH
from tests.unit.fake_inference import FakeInference, FakeStream, chat_chunk
from tests.unit.grpc.conftest import authenticate
from tests.unit.grpc.fake_inference import CARDS, body


class Scripted(FakeInference):
    """``overload``, ``break`` (after one chunk), ``hang`` (after one chunk); anything else is answered."""

    def __init__(self) -> None:
        super().__init__(CARDS, answer=body())
        self.streams: list[FakeStream] = []

    def models(self, principal: Principal) -> list[ModelCard]:
        """Tells how many streams have been closed, too."""
        closed = sum(stream.closed.is_set() for stream in self.streams)
        return [*super().models(principal), ModelCard(id=f"closed-{closed}", created=0, owned_by="test")]

    async def complete(self, principal: Principal, request: GenerationRequest, call: Call) -> Completion:
        self._script(request)
        self.answer = body(json.dumps(call.timeout_s))
        return await super().complete(principal, request, call)

    async def stream(self, principal: Principal, request: GenerationRequest, call: Call) -> FakeStream:
        says = self._script(request)
        error = EngineFailed("The engine died.") if says == "break" else None
        batches = [[chat_chunk("Hel")]] if says in ("break", "hang") else [[chat_chunk("Hel"), chat_chunk("lo")], [chat_chunk("!")]]
        self.streams.append(FakeStream(batches, error=error, hangs=says == "hang"))
        return self.streams[-1]

    def _script(self, request: GenerationRequest) -> str:
        says: str = json.loads(request.engine_body())["messages"][-1]["content"]
        if says == "overload":
            raise Overloaded("No replica is ready.", retry_after_s=2.5)
        return says


@serve.deployment(max_ongoing_requests=200)
class Gateway(GrpcEdge):
    def __init__(self) -> None:
        inference = Scripted()
        sessions = Sessions(inference, NO_SPEECH, RealtimeSettings(), Unobserved(), lambda principal: [])
        super().__init__(inference, authenticate, lambda: True, realtime=sessions)


def main() -> None:
    grpc_port, http_port = (int(argument) for argument in sys.argv[1:])
    ray.init(
        address="local",
        include_dashboard=False,
        num_cpus=4,
        object_store_memory=128 << 20,
        log_to_driver=False,
        runtime_env={"worker_process_setup_hook": "cluster.runtime.worker_setup.confined"},
    )
    serve.start(
        http_options=HTTPOptions(host="127.0.0.1", port=http_port),
        grpc_options=gRPCOptions(port=grpc_port, grpc_servicer_functions=list(SERVICER_FUNCTIONS)),
    )
    serve.run(Gateway.bind(), name="edge", route_prefix="/")
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
