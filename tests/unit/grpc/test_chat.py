"""Chat over a real socket: answers, streams, who is asking, how long, and what cancelling does."""

from __future__ import annotations

import asyncio
import re

import grpc
import grpc.aio
import pytest

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2
from tests.unit.fake_inference import REASONS, ROUTE, FakeStream, chat_chunk, usage_chunk
from tests.unit.grpc.conftest import AUTH, Edge
from tests.unit.grpc.fake_inference import ACME
from tests.unit.grpc.messages import request, stream_request


async def test_whole_answer_has_text_reasoning_and_usage_with_cached_tokens(edge: Edge) -> None:
    answer = await edge.chat.CreateChatCompletion(request(), metadata=AUTH)
    choice = answer.choices[0]
    assert (answer.id, answer.model, answer.created) == ("chatcmpl-1", "demo", 1_758_000_000)
    assert (choice.message.role, choice.message.content) == (message_pb2.ROLE_ASSISTANT, "Hello.")
    assert (choice.message.reasoning, choice.finish_reason) == ("Greet back.", chat_pb2.FINISH_REASON_STOP)
    assert answer.usage.prompt_tokens_details.cached_tokens == 1920
    assert answer.usage.completion_tokens_details.reasoning_tokens == 3
    assert answer.usage.total_tokens == 2007


async def test_stream_hands_out_every_chunk_in_order_and_nothing_else(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream(
        [
            [chat_chunk("", role="assistant"), chat_chunk(reasoning="Think.")],
            [chat_chunk("Hi")],
            [chat_chunk(finish_reason="stop"), usage_chunk()],
        ]
    )
    received = [piece async for piece in edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)]
    assert [piece.choices[0].delta.content for piece in received[:4]] == ["", "", "Hi", ""]
    assert received[1].choices[0].delta.reasoning == "Think."
    assert received[3].choices[0].finish_reason == chat_pb2.FINISH_REASON_STOP
    assert not received[4].choices
    assert received[4].usage.prompt_tokens_details.cached_tokens == 1920
    assert len(received) == 5


async def test_stream_asks_the_inside_for_a_stream_and_its_usage(edge: Edge) -> None:
    asked = stream_request()
    asked.stream_options.include_usage = True
    async for _ in edge.chat.StreamChatCompletion(asked, metadata=AUTH):
        pass
    principal, seen, call = edge.inference.asked[0]
    assert (principal, seen.stream, seen.include_usage, call.edge) == (ACME, True, True, "grpc")


async def test_first_chunk_arrives_while_the_answer_goes_on(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream([[chat_chunk("first")]], hangs=True)
    call = edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)
    first = await asyncio.wait_for(call.read(), timeout=5)
    assert first.choices[0].delta.content == "first"
    call.cancel()


async def test_cancelling_a_stream_aborts_its_generation(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream([[chat_chunk("first")]], hangs=True)
    call = edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)
    await call.read()
    assert not edge.inference.answer_stream.closed.is_set()
    call.cancel()
    await asyncio.wait_for(edge.inference.answer_stream.closed.wait(), timeout=1)


async def test_cancelling_while_chunks_are_being_written_aborts_the_generation(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream([[chat_chunk("x" * 10_000)] * 5_000])
    call = edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)
    await call.read()
    call.cancel()
    await asyncio.wait_for(edge.inference.answer_stream.closed.wait(), timeout=1)


async def test_cancelling_a_whole_answer_aborts_its_generation(edge: Edge) -> None:
    edge.inference.delay_s = 60
    call = edge.chat.CreateChatCompletion(request(), metadata=AUTH)
    waiting = asyncio.ensure_future(call.code())
    await asyncio.wait_for(edge.inference.began.wait(), timeout=5)
    call.cancel()
    assert await waiting == grpc.StatusCode.CANCELLED
    await asyncio.wait_for(edge.inference.cancelled.wait(), timeout=1)


async def test_deadline_of_the_client_reaches_the_inside_and_ends_the_call(edge: Edge) -> None:
    edge.inference.delay_s = 60
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await edge.chat.CreateChatCompletion(request(), metadata=AUTH, timeout=0.5)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    timeout_s = edge.inference.asked[0][2].timeout_s
    assert timeout_s is not None
    assert 0.2 < timeout_s < 0.6  # on the wire it is rounded up
    await asyncio.wait_for(edge.inference.cancelled.wait(), timeout=1)


async def test_without_a_deadline_the_inside_is_given_none_whatever_metadata_say(edge: Edge) -> None:
    await edge.chat.CreateChatCompletion(request(), metadata=(*AUTH, ("ossature-timeout-s", "0.001")))
    assert edge.inference.asked[0][2].timeout_s is None


async def test_answers_tell_request_id_time_and_organization(edge: Edge) -> None:
    call = edge.chat.CreateChatCompletion(request(), metadata=AUTH)
    await call
    trailers = dict(await call.trailing_metadata())
    assert re.fullmatch(r"req_[0-9a-f]{32}", trailers["x-request-id"])
    assert trailers["x-request-id"] == edge.inference.asked[0][2].trace_id
    assert int(trailers["ossature-processing-ms"]) >= 0
    assert trailers["openai-organization"] == "org-acme"
    assert trailers["x-ossature-route"] == ROUTE
    assert "grpc-status-details-bin" not in trailers


@pytest.mark.parametrize(("admin_key", "route"), [("sk-admin", REASONS), ("sk-other", ROUTE)])
async def test_only_an_admin_key_beside_the_callers_shows_the_reasons_of_the_route(edge: Edge, admin_key: str, route: str) -> None:
    metadata = (*AUTH, ("x-ossature-admin-key", admin_key))
    call = edge.chat.CreateChatCompletion(request(), metadata=metadata)
    await call
    assert dict(await call.trailing_metadata())["x-ossature-route"] == route
    stream = edge.chat.StreamChatCompletion(stream_request(), metadata=metadata)
    async for _ in stream:
        pass
    assert dict(await stream.trailing_metadata())["x-ossature-route"] == route
    assert {principal.org_id for principal, _, _ in edge.inference.asked} == {"org-acme"}


async def test_a_wrong_admin_key_is_refused(edge: Edge) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await edge.chat.CreateChatCompletion(request(), metadata=(*AUTH, ("x-ossature-admin-key", "sk-guess")))
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert not edge.inference.asked


async def test_stream_tells_its_request_id_before_the_first_chunk(edge: Edge) -> None:
    edge.inference.delay_s = 60
    call = edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)
    initial = dict(await asyncio.wait_for(call.initial_metadata(), timeout=5))
    assert initial["x-request-id"].startswith("req_")
    call.cancel()


async def test_stream_ends_with_the_request_id_that_it_began_with(edge: Edge) -> None:
    call = edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)
    initial = dict(await call.initial_metadata())
    async for _ in call:
        pass
    trailers = dict(await call.trailing_metadata())
    assert trailers["x-request-id"] == initial["x-request-id"] == edge.inference.asked[0][2].trace_id


async def test_request_ids_are_the_servers_alone(edge: Edge) -> None:
    call = edge.chat.CreateChatCompletion(request(), metadata=(*AUTH, ("x-request-id", "chosen-by-client")))
    await call
    assert dict(await call.trailing_metadata())["x-request-id"] == edge.inference.asked[0][2].trace_id != "chosen-by-client"


async def test_hundred_streams_on_one_channel_run_at_once(edge: Edge) -> None:
    async def one() -> int:
        return len([piece async for piece in edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)])

    edge.inference.delay_s = 0.2
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(one() for _ in range(100))) == [2] * 100
