from __future__ import annotations

import json

import openai
import pytest
from openai import AsyncOpenAI

from cluster.errors import ContextLengthExceeded, EngineFailed, Overloaded, RateLimited
from tests.unit.fake_inference import FakeStream, chat_body, chat_chunk, usage_chunk
from tests.unit.http.conftest import Edge
from tests.unit.http.fakes import ACME, text_body, text_chunk
from tests.unit.requests.samples import CALL, WEATHER

USER = {"role": "user", "content": "Hello"}


async def test_chat(edge: Edge, openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.chat.completions.create(model="demo", messages=[USER], temperature=0.5, metadata={"a": "b"})
    assert answer.choices[0].message.content == "Hello."
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 1920
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_")
    [(principal, request, call)] = edge.inference.asked
    assert principal == ACME
    assert json.loads(request.engine_body())["temperature"] == 0.5
    assert (call.edge, call.trace_id) == ("http", answer._request_id)


async def test_a_tool_call_and_its_result(edge: Edge, openai_client: AsyncOpenAI) -> None:
    edge.inference.answer = chat_body(None, tool_calls=[CALL], reasoning="Ask.")
    answer = await openai_client.chat.completions.create(model="demo", messages=[USER], tools=[WEATHER])
    message = answer.choices[0].message
    assert message.tool_calls is not None
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "4 °C"}
    edge.inference.answer = chat_body("It is 4 °C.")
    await openai_client.chat.completions.create(model="demo", messages=[USER, message, result], tools=[WEATHER])
    sent = json.loads(edge.inference.asked[1][1].engine_body())["messages"]
    assert [entry["role"] for entry in sent] == ["user", "assistant", "tool"]
    assert (sent[1]["reasoning"], sent[1]["tool_calls"]) == ("Ask.", [CALL])


async def test_a_stream_with_usage(edge: Edge, openai_client: AsyncOpenAI) -> None:
    edge.inference.answer_stream = FakeStream(
        [
            [chat_chunk("", role="assistant")],
            [chat_chunk("He"), chat_chunk("llo")],
            [chat_chunk(finish_reason="stop"), usage_chunk()],
        ]
    )
    stream = await openai_client.chat.completions.create(
        model="demo", messages=[USER], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 2007
    assert edge.inference.asked[0][1].include_usage
    assert edge.inference.answer_stream.closed.is_set()


async def test_an_error_within_a_stream(edge: Edge, openai_client: AsyncOpenAI) -> None:
    edge.inference.answer_stream = FakeStream([[chat_chunk("Hel")]], error=EngineFailed("The engine failed."))
    stream = await openai_client.chat.completions.create(model="demo", messages=[USER], stream=True)
    assert (await anext(stream)).choices[0].delta.content == "Hel"
    with pytest.raises(openai.APIError, match=r"The engine failed\.") as caught:
        await anext(stream)
    assert caught.value.code == "engine_failed"


async def test_parsed_json(edge: Edge, openai_client: AsyncOpenAI) -> None:
    edge.inference.answer = chat_body('{"city": "Oslo"}')
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
    answer = await openai_client.chat.completions.create(
        model="demo",
        messages=[USER],
        response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}},
    )
    assert json.loads(answer.choices[0].message.content or "") == {"city": "Oslo"}
    assert json.loads(edge.inference.asked[0][1].engine_body())["response_format"]["json_schema"]["schema"] == schema


async def test_text_completions(edge: Edge, openai_client: AsyncOpenAI) -> None:
    edge.inference.answer = text_body(" upon a time")
    answer = await openai_client.completions.create(model="demo", prompt="Once")
    assert answer.choices[0].text == " upon a time"


async def test_a_stream_of_text(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream([[text_chunk(" up")], [text_chunk("on", "stop")]])
    # Not strict: the client's schema has no null finish_reason here, though every stream of text completions has it.
    async with AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="sk-acme", max_retries=0) as client:
        stream = await client.completions.create(model="demo", prompt="Once", stream=True)
        assert "".join([chunk.choices[0].text async for chunk in stream]) == " upon"


async def test_models(openai_client: AsyncOpenAI) -> None:
    page = await openai_client.models.list()
    assert [model.id for model in page.data] == ["demo", "acme/tuned/v1"]
    assert (await openai_client.models.retrieve("acme/tuned/v1")).owned_by == "org_acme"
    with pytest.raises(openai.NotFoundError) as caught:
        await openai_client.models.retrieve("gpt-9")
    assert caught.value.code == "model_not_found"


async def test_errors_become_the_clients_exceptions(edge: Edge, openai_client: AsyncOpenAI) -> None:
    for error, expected in [
        (ContextLengthExceeded("Too long.", param="messages"), openai.BadRequestError),
        (RateLimited("Slow down.", retry_after_s=2), openai.RateLimitError),
        (Overloaded("Busy."), openai.InternalServerError),
        (RuntimeError("secret detail"), openai.InternalServerError),
    ]:
        edge.inference.error = error
        with pytest.raises(expected) as caught:
            await openai_client.chat.completions.create(model="demo", messages=[USER])
        assert "secret detail" not in str(caught.value)
        assert caught.value.request_id is not None
    with pytest.raises(openai.AuthenticationError):
        await openai_client.with_options(api_key="sk-wrong").models.list()
    with pytest.raises(openai.PermissionDeniedError):
        await openai_client.with_options(organization="org_other").models.list()
    with pytest.raises(openai.BadRequestError) as refused:
        await openai_client.chat.completions.create(model="demo", messages=[USER], temperature=7)
    assert (refused.value.param, refused.value.code) == ("temperature", "decimal_above_max_value")


async def test_the_client_retries_what_is_worth_it(edge: Edge, openai_client: AsyncOpenAI) -> None:
    edge.inference.error = Overloaded("Busy.", retry_after_s=0.01)
    with pytest.raises(openai.InternalServerError):
        await openai_client.with_options(max_retries=2).chat.completions.create(model="demo", messages=[USER])
    assert len(edge.inference.asked) == 3
