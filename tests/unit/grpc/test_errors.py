"""Every error of the cluster as a caller over gRPC sees it."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from cluster import errors
from cluster.edges.grpc import errors as mapping
from tests.unit.fake_inference import FakeStream, chat_chunk
from tests.unit.grpc.conftest import AUTH, Edge
from tests.unit.grpc.messages import request, stream_request

EXPECTED = {
    errors.InvalidRequest: "INVALID_ARGUMENT",
    errors.ContextLengthExceeded: "INVALID_ARGUMENT",
    errors.NotFound: "NOT_FOUND",
    errors.ModelNotFound: "NOT_FOUND",
    errors.ModelUnusable: "FAILED_PRECONDITION",
    errors.MethodNotAllowed: "UNIMPLEMENTED",
    errors.Conflict: "ALREADY_EXISTS",
    errors.UnsupportedMediaType: "INVALID_ARGUMENT",
    errors.RequestTimeout: "DEADLINE_EXCEEDED",
    errors.RequestTooLarge: "RESOURCE_EXHAUSTED",
    errors.RangeNotSatisfiable: "INVALID_ARGUMENT",
    errors.Unauthenticated: "UNAUTHENTICATED",
    errors.PermissionDenied: "PERMISSION_DENIED",
    errors.RateLimited: "RESOURCE_EXHAUSTED",
    errors.Overloaded: "UNAVAILABLE",
    errors.ClientTooSlow: "UNAVAILABLE",
    errors.StoreUnavailable: "UNAVAILABLE",
    errors.DeadlineExceeded: "DEADLINE_EXCEEDED",
    errors.EngineFailed: "ABORTED",
    errors.OssatureError: "INTERNAL",
}


def every_error(kind: type[errors.OssatureError] = errors.OssatureError) -> set[type[errors.OssatureError]]:
    return {kind}.union(*(every_error(child) for child in kind.__subclasses__()))


def details(caught: grpc.aio.AioRpcError) -> dict[str, object]:
    """The ``google.rpc`` details of a failed call, by their message's name."""
    status = Status.FromString(dict(caught.trailing_metadata())["grpc-status-details-bin"])
    assert status.code == caught.code().value[0]
    assert status.message == caught.details()
    unpacked: dict[str, object] = {}
    for detail in status.details:
        kind = {kind.DESCRIPTOR.full_name: kind for kind in (BadRequest, ErrorInfo, RequestInfo, RetryInfo)}[detail.TypeName()]
        message = kind()
        assert detail.Unpack(message)
        unpacked[kind.__name__] = message
    return unpacked


async def failure(edge: Edge, *, streamed: bool = False) -> grpc.aio.AioRpcError:
    """The error of a call that ends without any message."""
    if streamed:
        answer = edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH).read()
    else:
        answer = edge.chat.CreateChatCompletion(request(), metadata=AUTH)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer
    return caught.value


def test_every_error_of_the_cluster_has_an_expected_code() -> None:
    assert {kind for kind in every_error() if kind.__module__ == "cluster.errors"} == EXPECTED.keys()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
async def test_error_becomes_its_code_with_details(edge: Edge, kind: type[errors.OssatureError], streamed: bool) -> None:
    edge.inference.error = kind("It did not work.", param="messages.0.role", code="some_code", retry_after_s=1.5)
    caught = await failure(edge, streamed=streamed)
    assert (caught.code().name, caught.details()) == (EXPECTED[kind], "It did not work.")
    found = details(caught)
    info, violation = found["ErrorInfo"], found["BadRequest"].field_violations[0]
    assert (info.reason, info.domain) == ("SOME_CODE", "ossature")
    assert dict(info.metadata) == {"type": kind.type, "code": "some_code", "param": "messages.0.role"}
    assert (violation.field, violation.description) == ("messages.0.role", "It did not work.")
    assert found["RetryInfo"].retry_delay.ToMilliseconds() == 1500
    assert found["RequestInfo"].request_id == dict(caught.trailing_metadata())["x-request-id"]


async def test_details_that_say_nothing_are_left_out(edge: Edge) -> None:
    edge.inference.error = errors.EngineFailed("The engine died.")
    assert details(await failure(edge)).keys() == {"ErrorInfo", "RequestInfo"}


async def test_overload_always_says_when_to_come_back(edge: Edge) -> None:
    edge.inference.error = errors.Overloaded("No replica is ready.")
    found = details(await failure(edge))
    assert found["RetryInfo"].retry_delay.ToMilliseconds() == 1000


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_defect_shows_its_request_id_only_and_is_logged(edge: Edge, caplog: pytest.LogCaptureFixture, streamed: bool) -> None:
    edge.inference.error = RuntimeError("password=hunter2")
    caught = await failure(edge, streamed=streamed)
    request_id = dict(caught.trailing_metadata())["x-request-id"]
    assert caught.code() == grpc.StatusCode.INTERNAL
    assert request_id in caught.details()
    assert "hunter2" not in repr(caught) + str(caught.trailing_metadata())
    assert details(caught)["RequestInfo"].request_id == request_id
    assert any(request_id in record.getMessage() and record.exc_info for record in caplog.records)


async def test_answer_that_is_no_completion_is_a_defect(edge: Edge) -> None:
    edge.inference.answer = b'{"object": "surprise"}'
    assert (await failure(edge)).code() == grpc.StatusCode.INTERNAL


async def test_stream_that_breaks_keeps_its_chunks_and_ends_with_the_error(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream(
        [[chat_chunk("Hel"), chat_chunk("lo")]], error=errors.EngineFailed("The engine died.")
    )
    call = edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)
    received = [(await call.read()).choices[0].delta.content for _ in range(2)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert received == ["Hel", "lo"]
    assert caught.value.code() == grpc.StatusCode.ABORTED
    assert details(caught.value)["ErrorInfo"].reason == "ENGINE_FAILED"
    assert edge.inference.answer_stream.closed.is_set()


@pytest.mark.parametrize("text", ["x" * 100_000, "日本語" * 10_000, "lone \ud800 surrogate", "line\nbreak %"])
async def test_any_message_and_param_fit_into_trailing_metadata(edge: Edge, text: str) -> None:
    edge.inference.error = errors.InvalidRequest(text, param=text)
    caught = await failure(edge)
    assert caught.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.details()[:4] == text[:4].replace("\ud800", "?")
    assert details(caught)["BadRequest"].field_violations[0].description == caught.details()


def test_reasons_are_what_google_allows() -> None:
    """ErrorInfo: at most 63 characters of UPPER_SNAKE_CASE."""
    for kind in every_error():
        status = mapping.status_of(kind("x"), "req_1")
        info = ErrorInfo()
        assert status.details[0].Unpack(info)
        assert info.reason.replace("_", "").isalnum()
        assert info.reason == info.reason.upper()
        assert len(info.reason) <= 63
