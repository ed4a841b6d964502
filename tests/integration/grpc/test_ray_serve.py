"""The edge behind Ray Serve's two ways in: HAProxy straight to the replica, and Serve's Python proxy.

They differ in how a context, its status and its trailing metadata travel; callers must not be able to tell.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from cluster.edges.grpc.generated.ossature.realtime.v1.realtime_pb2 import ConverseRequest, ConverseResponse
from cluster.edges.grpc.generated.ossature.realtime.v1.realtime_pb2_grpc import RealtimeServiceStub
from cluster.edges.grpc.generated.ossature.v1 import models_pb2
from cluster.edges.grpc.generated.ossature.v1.chat_pb2_grpc import ChatServiceStub
from cluster.edges.grpc.generated.ossature.v1.models_pb2_grpc import ModelServiceStub
from cluster.edges.grpc.registration import SERVICE_NAMES
from tests.unit.fake_inference import ROUTE
from tests.unit.grpc.conftest import AUTH
from tests.unit.grpc.messages import request, stream_request

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
START_S = 120.0
MAX_MESSAGE_BYTES = 4 << 20
WAYS_IN = {"haproxy": "1", "python-proxy": "0"}


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@pytest.fixture(scope="module", params=WAYS_IN)
def channel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """A channel to the edge on a Ray Serve of its own."""
    grpc_port, http_port, *others = free_ports(6)
    direct = WAYS_IN[request.param]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_ENABLE_HA_PROXY": direct,
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": direct,
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.5",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(others[0]),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(others[1]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(others[2]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(others[3]),
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(MAX_MESSAGE_BYTES),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    log = tmp_path_factory.mktemp("served") / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.grpc.served", str(grpc_port), str(http_port)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            _await_serving(process, log)
            with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as opened:
                grpc.channel_ready_future(opened).result(timeout=30)
                yield opened
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)


def _await_serving(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while "serving" not in log.read_text().splitlines():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def details(error: grpc.RpcError) -> Status:
    return Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])


def test_whole_answer_with_deadline_and_trailers(channel: grpc.Channel) -> None:
    answer, call = ChatServiceStub(channel).CreateChatCompletion.with_call(request(), metadata=AUTH, timeout=30)
    assert 25 < float(answer.choices[0].message.content) < 31
    trailers = dict(call.trailing_metadata())
    assert trailers["x-request-id"].startswith("req_")
    assert trailers["openai-organization"] == "org-acme"


def test_without_a_deadline_the_inside_is_given_none(channel: grpc.Channel) -> None:
    answer = ChatServiceStub(channel).CreateChatCompletion(request(), metadata=(*AUTH, ("ossature-timeout-s", "9")))
    assert answer.choices[0].message.content == "null"


def test_stream_has_its_chunks_and_the_same_id_at_both_ends(channel: grpc.Channel) -> None:
    call = ChatServiceStub(channel).StreamChatCompletion(stream_request(), metadata=AUTH, timeout=30)
    initial = dict(call.initial_metadata())
    assert [piece.choices[0].delta.content for piece in call] == ["Hel", "lo", "!"]
    trailers = dict(call.trailing_metadata())
    assert trailers["x-request-id"] == initial["x-request-id"]
    assert trailers["x-ossature-route"] == ROUTE


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_error_before_the_answer_has_code_message_and_details(channel: grpc.Channel, streamed: bool) -> None:
    stub = ChatServiceStub(channel)
    ask: Callable[[], object] = (
        partial(next, stub.StreamChatCompletion(stream_request("overload"), metadata=AUTH, timeout=30))
        if streamed
        else partial(stub.CreateChatCompletion, request("overload"), metadata=AUTH, timeout=30)
    )
    with pytest.raises(grpc.RpcError) as caught:
        ask()
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, "No replica is ready.")
    status, retry = details(caught.value), RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.ToMilliseconds() == 2500


def test_error_within_a_stream_comes_after_its_chunks_with_details(channel: grpc.Channel) -> None:
    call = ChatServiceStub(channel).StreamChatCompletion(stream_request("break"), metadata=AUTH, timeout=30)
    assert next(call).choices[0].delta.content == "Hel"
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert caught.value.code() == grpc.StatusCode.ABORTED
    info = ErrorInfo()
    assert details(caught.value).details[0].Unpack(info)
    assert info.reason == "ENGINE_FAILED"


def test_refusals_need_no_parsing(channel: grpc.Channel) -> None:
    create = channel.unary_unary("/ossature.v1.ChatService/CreateChatCompletion")
    for metadata, code in (((), grpc.StatusCode.UNAUTHENTICATED), (AUTH, grpc.StatusCode.INVALID_ARGUMENT)):
        with pytest.raises(grpc.RpcError) as caught:
            create(b"\xff", metadata=metadata, timeout=30)
        assert caught.value.code() == code


def test_too_large_message_is_refused_by_the_transport(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ChatServiceStub(channel).CreateChatCompletion(request("x" * (100 << 20)), metadata=AUTH, timeout=30)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def closed_streams(channel: grpc.Channel) -> int:
    models = ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest(), metadata=AUTH, timeout=30).models
    return int(models[-1].id.removeprefix("closed-"))


def test_cancelling_a_stream_aborts_its_generation_within_a_second(channel: grpc.Channel) -> None:
    call = ChatServiceStub(channel).StreamChatCompletion(stream_request("hang"), metadata=AUTH, timeout=30)
    next(call)
    before = closed_streams(channel)
    call.cancel()
    end = time.monotonic() + 1
    while closed_streams(channel) == before:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_passed_deadline_aborts_the_generation(channel: grpc.Channel) -> None:
    before = closed_streams(channel)
    call = ChatServiceStub(channel).StreamChatCompletion(stream_request("hang"), metadata=AUTH, timeout=1)
    next(call)
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    end = time.monotonic() + 1
    while closed_streams(channel) == before:
        assert time.monotonic() < end
        time.sleep(0.02)


class Conversation:
    """A realtime session whose events are sent when the test says so."""

    def __init__(self, channel: grpc.Channel, metadata: Sequence[tuple[str, str]] = AUTH) -> None:
        self._sending: queue.SimpleQueue[ConverseRequest | None] = queue.SimpleQueue()
        self.call = RealtimeServiceStub(channel).Converse(iter(self._sending.get, None), metadata=metadata, timeout=60)

    def send(self, **event: object) -> None:
        self._sending.put(ConverseRequest(**event))

    def ask(self, text: str) -> None:
        content = [{"input_text": {"text": text}}]
        self.send(conversation_item_create={"item": {"message": {"role": "ROLE_USER", "content": content}}})
        self.send(response_create={})

    def until(self, wanted: str) -> ConverseResponse:
        return next(event for event in self.call if event.WhichOneof("event") == wanted)

    def close(self) -> None:
        self._sending.put(None)


def test_conversation_goes_both_ways_and_ends_when_the_client_closes_its_side(channel: grpc.Channel) -> None:
    conversation = Conversation(channel)
    conversation.send(session_start={"model": "demo"})
    assert conversation.until("session_created").session_created.session.realtime.model == "demo"
    for _ in range(2):
        conversation.ask("hello")
        done = conversation.until("response_done").response_done.response
        assert done.output[0].message.content[0].output_text.text == "Hello!"
    conversation.send(event_id="mine", response_cancel={})
    assert conversation.until("error").error.error.event_id == "mine"
    conversation.close()
    assert list(conversation.call) == []
    assert conversation.call.code() == grpc.StatusCode.OK
    assert dict(conversation.call.initial_metadata())["x-request-id"] == dict(conversation.call.trailing_metadata())["x-request-id"]


@pytest.mark.parametrize(
    ("model", "metadata", "code"),
    [("nope", AUTH, grpc.StatusCode.NOT_FOUND), ("demo", (), grpc.StatusCode.UNAUTHENTICATED)],
)
def test_conversation_that_can_t_be_had_is_a_status_with_details(
    channel: grpc.Channel, model: str, metadata: Sequence[tuple[str, str]], code: grpc.StatusCode
) -> None:
    conversation = Conversation(channel, metadata)
    conversation.send(session_start={"model": model})
    with pytest.raises(grpc.RpcError) as caught:
        next(conversation.call)
    conversation.close()
    assert caught.value.code() == code
    assert details(caught.value).details[0].Is(ErrorInfo.DESCRIPTOR)


def test_cancelling_a_conversation_aborts_its_generation_within_a_second(channel: grpc.Channel) -> None:
    conversation = Conversation(channel)
    conversation.send(session_start={"model": "demo"})
    conversation.ask("hang")
    conversation.until("response_output_text_delta")
    before = closed_streams(channel)
    conversation.call.cancel()
    conversation.close()
    end = time.monotonic() + 1
    while closed_streams(channel) == before:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_health_and_reflection_need_no_key(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=30).status == health_pb2.HealthCheckResponse.SERVING
    watch = health.Watch(health_pb2.HealthCheckRequest(service="ossature.v1.ChatService"), timeout=30)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    assert set(SERVICE_NAMES) <= set(ProtoReflectionDescriptorDatabase(channel).get_services())
