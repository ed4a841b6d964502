"""Headers, events and the service's own endpoints."""

from __future__ import annotations

import asyncio
import json

import pytest

from cluster import __version__
from cluster.errors import EngineFailed
from tests.unit.fake_inference import REASONS, ROUTE, FakeStream, chat_body, chat_chunk, usage_chunk
from tests.unit.http.conftest import Edge
from tests.unit.requests import openai_spec
from tests.unit.requests.openai_spec import needs_spec
from tests.unit.requests.samples import chat

CHAT = "/v1/chat/completions"


async def test_an_answer_is_the_engines_body_with_our_headers(edge: Edge) -> None:
    edge.inference.delay_s = 0.03
    answer = await edge.post(CHAT, chat(), headers={"x-request-id": b"mine\xff"})
    assert answer.content == chat_body()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert len(answer.headers["x-request-id"]) == 36
    assert 30 <= int(answer.headers["openai-processing-ms"]) < 5000
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["openai-organization"] == "org_acme"
    assert answer.headers["x-ossature-route"] == "home replica-1"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_admin_key_beside_the_callers_shows_the_reasons_of_the_route(edge: Edge, stream: bool) -> None:
    answer = await edge.post(CHAT, chat(stream=stream), headers={"x-ossature-admin-key": "sk-admin"})
    assert answer.status_code == 200
    assert answer.headers["x-ossature-route"] == REASONS
    assert edge.inference.asked[0][0].org_id == "org_acme", "the request stays the caller's"


async def test_a_key_that_is_no_admins_shows_no_reasons(edge: Edge) -> None:
    answer = await edge.post(CHAT, chat(), headers={"x-ossature-admin-key": "sk-acme"})
    assert answer.headers["x-ossature-route"] == ROUTE


async def test_a_wrong_admin_key_is_refused(edge: Edge) -> None:
    answer = await edge.post(CHAT, chat(), headers={"x-ossature-admin-key": "sk-guess"})
    assert answer.status_code == 401
    assert not edge.inference.asked


async def test_request_ids_differ(edge: Edge) -> None:
    ids = {(await edge.request("GET", "/healthz")).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


async def test_a_stream_is_events_up_to_done(edge: Edge) -> None:
    batches = [[chat_chunk("", role="assistant")], [chat_chunk("a\nb"), chat_chunk("é")], [usage_chunk()]]
    edge.inference.answer_stream = FakeStream(batches)
    answer = await edge.post(CHAT, chat(stream=True))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-request-id"].startswith("req_")
    payloads = [payload for batch in batches for payload in batch]
    assert answer.content == b"".join(b"data: " + payload + b"\n\n" for payload in [*payloads, b"[DONE]"])
    assert edge.inference.answer_stream.closed.is_set()


async def test_an_error_ends_a_stream_without_done(edge: Edge) -> None:
    error = EngineFailed("The engine failed.")
    edge.inference.answer_stream = FakeStream([[chat_chunk("Hel")]], error=error)
    answer = await edge.post(CHAT, chat(stream=True))
    assert answer.status_code == 200
    assert [json.loads(event[6:]) for event in answer.text.strip().split("\n\n")] == [json.loads(chat_chunk("Hel")), error.body()]
    assert edge.inference.answer_stream.closed.is_set()


async def test_a_defect_within_a_stream_is_told_like_any_other(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream([[chat_chunk("Hel")]], error=RuntimeError("db.password"))
    answer = await edge.post(CHAT, chat(stream=True))
    error = json.loads(answer.text.strip().split("\n\n")[-1][6:])["error"]
    assert error["code"] == "internal_error"
    assert answer.headers["x-request-id"] in error["message"]
    assert "password" not in answer.text
    assert "[DONE]" not in answer.text


async def test_batches_reach_the_client_one_by_one(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream([[chat_chunk("a")], [chat_chunk("b")]], pause_s=0.1, hangs=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    body = json.dumps(chat(stream=True)).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sk-acme\r\n")
    writer.write(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    async with asyncio.timeout(5):
        await reader.readuntil(b'"content": "a"')
        assert edge.inference.answer_stream.given == 1
        await reader.readuntil(b'"content": "b"')
    writer.close()
    await writer.wait_closed()


@needs_spec
async def test_answers_and_chunks_are_valid_by_openais_schema(edge: Edge) -> None:
    assert openai_spec.faults("CreateChatCompletionResponse", (await edge.post(CHAT, chat())).json()) == []
    edge.inference.answer_stream = FakeStream(
        [[chat_chunk("", role="assistant")], [chat_chunk(finish_reason="stop"), usage_chunk()]]
    )
    text = (await edge.post(CHAT, chat(stream=True))).text
    events = [json.loads(event[6:]) for event in text.strip().split("\n\n")[:-1]]
    assert len(events) == 3
    for event in events:
        assert openai_spec.faults("CreateChatCompletionStreamResponse", event) == []


async def test_bodies_just_over_the_thread_limit_are_parsed_alike(edge: Edge) -> None:
    words = "word " * 60_000
    answer = await edge.post(CHAT, chat({"role": "user", "content": words}))
    assert answer.status_code == 200
    assert json.loads(edge.inference.asked[0][1].engine_body())["messages"][0]["content"] == words
    refused = await edge.post(CHAT, chat({"role": "user", "content": words}, n=0))
    assert refused.json()["error"]["param"] == "n"


async def test_service_endpoints_need_no_key(edge: Edge) -> None:
    assert (await edge.request("GET", "/healthz", key=None)).json() == {"status": "ok"}
    assert (await edge.request("GET", "/readyz", key=None)).json() == {"status": "ready"}
    index = (await edge.request("GET", "/", key=None)).json()
    assert index["version"] == __version__
    assert "POST /v1/chat/completions" in index["endpoints"]


@pytest.mark.parametrize(("waiting", "said"), [(["demo"], "1 model has"), (["demo", "acme/private"], "2 models have")])
async def test_not_ready_says_for_how_many_models_and_when_to_ask_again_and_names_none(
    edge: Edge, waiting: list[str], said: str
) -> None:
    edge.readiness.waiting = waiting
    answer = await edge.request("GET", "/readyz", key=None)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["waiting"] == len(waiting)
    assert said in answer.json()["error"]["message"]
    assert not [model for model in waiting if model in answer.text]
    assert (await edge.request("GET", "/healthz", key=None)).status_code == 200


async def test_head_is_get_without_a_body(edge: Edge) -> None:
    answer = await edge.request("HEAD", "/healthz")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len((await edge.request("GET", "/healthz")).content))


async def test_the_description_covers_every_endpoint_and_argument(edge: Edge) -> None:
    description = (await edge.request("GET", "/openapi.json", key=None)).json()
    index = (await edge.request("GET", "/")).json()["endpoints"]
    described = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    assert described == {endpoint.replace(":path", "") for endpoint in index}
    names = [operation["operationId"] for methods in description["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)
    assert {"messages", "cache_salt", "reasoning_effort"} <= set(description["components"]["schemas"]["ChatFields"]["properties"])
    references = set(json.dumps(description).split('"#/components/schemas/')[1:])
    assert all(reference.partition('"')[0] in description["components"]["schemas"] for reference in references)
