"""Stored completions as OpenAI's own client sees them, over a real socket and a real database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from sqlalchemy import text

from cluster.config.settings.storage import StoredCompletionsSettings
from tests.openai_schema import SchemaOracle
from tests.unit.storage.fake_relay import FakeRelay
from tests.unit.storage.served import Served

ROOT = "/v1/chat/completions"
QUESTION: Any = [{"role": "user", "content": "Hi"}]
TOOL: Any = {"type": "function", "function": {"name": "order", "parameters": {"type": "object", "properties": {}}}}


async def store(client: AsyncOpenAI, **fields: Any) -> str:
    answer = await client.chat.completions.create(**{"model": "demo", "messages": QUESTION, "store": True, **fields})
    return str(answer.id)


async def store_stream(client: AsyncOpenAI, **fields: Any) -> str:
    stream = await client.chat.completions.create(
        **{"model": "demo", "messages": QUESTION, "store": True, "stream": True, **fields}
    )
    chunks = [chunk async for chunk in stream]
    assert not any(chunk.model_extra for chunk in chunks), "a warning"
    return str(chunks[0].id)


async def shown(client: AsyncOpenAI, completion_id: str) -> dict[str, Any]:
    return (await client.chat.completions.retrieve(completion_id)).to_dict()


async def ids(client: AsyncOpenAI, **query: Any) -> list[str]:
    return [each.id for each in (await client.chat.completions.list(**query)).data]


@pytest.mark.parametrize("flows", [False, True], ids=["iterated", "flowing"])
async def test_a_stream_is_stored_as_the_answer_that_it_was(served: Served, client: AsyncOpenAI, flows: bool) -> None:
    served.relay.flows = flows
    streamed = await store_stream(client, metadata={"a": "1"}, temperature=0.5, tools=[TOOL])
    whole = await store(client, metadata={"a": "1"}, temperature=0.5, tools=[TOOL])
    kept, other = [await shown(client, each) for each in (streamed, whole)]
    for each in (kept, other):
        assert each.pop("request_id").startswith("req_")
    assert (kept.pop("id"), other.pop("id")) == (streamed, whole)
    assert kept == other
    assert kept["choices"][0]["message"]["content"] == "Hello there."
    assert kept["usage"]["prompt_tokens_details"]["cached_tokens"] == 1280
    assert (kept["metadata"], kept["temperature"], kept["tools"]) == ({"a": "1"}, 0.5, [TOOL])


async def test_only_what_asked_for_it_is_stored(client: AsyncOpenAI) -> None:
    await client.chat.completions.create(model="demo", messages=QUESTION)
    await client.chat.completions.create(model="demo", messages=QUESTION, store=False, metadata={"a": "b"})
    assert await ids(client) == []


async def test_bodies_are_of_the_api_description(served: Served, client: AsyncOpenAI, oracle: SchemaOracle) -> None:
    async with served.http_client() as http:
        assert oracle.problems("ChatCompletionList", (await http.get(ROOT)).json()) == []
        completion_id = await store_stream(client, metadata={"a": "1"}, seed=7)
        assert oracle.problems("ChatCompletionList", (await http.get(ROOT)).json()) == []
        assert oracle.problems("CreateChatCompletionResponse", (await http.get(f"{ROOT}/{completion_id}")).json()) == []
        updated = (await http.post(f"{ROOT}/{completion_id}", json={"metadata": {"b": "2"}})).json()
        assert oracle.problems("CreateChatCompletionResponse", updated) == []
        messages = (await http.get(f"{ROOT}/{completion_id}/messages")).json()
        assert [message["role"] for message in messages["data"]] == ["user"]
        # The description has it that every message is the assistant's, against its own example.
        messages["data"][0]["role"] = "assistant"
        assert oracle.problems("ChatCompletionMessageList", messages) == []
        assert oracle.problems("ChatCompletionDeleted", (await http.delete(f"{ROOT}/{completion_id}")).json()) == []


async def test_lists_page_in_both_orders_without_gap_or_repetition(client: AsyncOpenAI) -> None:
    stored = [await store(client) for _ in range(7)]
    assert await ids(client) == stored
    assert await ids(client, order="desc") == stored[::-1]
    for order, expected in (("asc", stored), ("desc", stored[::-1])):
        found = [each.id async for each in client.chat.completions.list(limit=3, order=order)]  # type: ignore[arg-type]
        assert found == expected


async def test_lists_filter_by_model_and_by_all_pairs_of_metadata(client: AsyncOpenAI) -> None:
    first = await store(client, metadata={"task": "a", "split": "train"})
    second = await store(client, metadata={"task": "a", "split": "test"})
    third = await store(client, model="other", metadata={"task": "b [x]=é"})
    assert await ids(client, metadata={"task": "a"}) == [first, second]
    assert await ids(client, metadata={"task": "a", "split": "test"}) == [second]
    assert await ids(client, metadata={"task": "a"}, order="desc", limit=1) == [second]
    assert await ids(client, metadata={"task": "a"}, order="desc", after=second) == [first]
    assert await ids(client, metadata={"task": "b [x]=é"}) == [third]
    assert await ids(client, model="other") == [third]
    assert await ids(client, model="other", metadata={"task": "a"}) == []
    assert await ids(client, model="no such") == []


async def test_metadata_is_replaced_and_found_by_its_new_pairs(client: AsyncOpenAI) -> None:
    completion_id = await store(client, metadata={"old": "1"})
    updated = await client.chat.completions.update(completion_id, metadata={"new": "2"})
    assert updated.metadata == {"new": "2"}
    assert await ids(client, metadata={"old": "1"}) == []
    assert await ids(client, metadata={"new": "2"}) == [completion_id]
    assert (await client.chat.completions.update(completion_id, metadata=None)).metadata == {}
    assert await ids(client) == [completion_id]


async def test_a_deleted_completion_is_gone(client: AsyncOpenAI) -> None:
    completion_id = await store(client, metadata={"a": "1"})
    assert (await client.chat.completions.delete(completion_id)).deleted
    assert await ids(client) == await ids(client, metadata={"a": "1"}) == []
    for call in (client.chat.completions.retrieve, client.chat.completions.delete):
        with pytest.raises(openai.NotFoundError) as refused:
            await call(completion_id)
        assert (refused.value.code, refused.value.param) == ("completion_not_found", "completion_id")


async def test_messages_are_listed_with_ids_and_parts(served: Served, client: AsyncOpenAI) -> None:
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Two"}, {"type": "text", "text": " parts"}]},
    ]
    completion_id = await store(client, messages=messages)
    async with served.client(strict=False) as lenient:  # the client's types, too, know the assistant's messages only
        listed = await lenient.chat.completions.messages.list(completion_id)
        assert [each.id for each in listed.data] == [f"{completion_id}-0", f"{completion_id}-1"]
        assert [each.content for each in listed.data] == ["Be brief.", "Two parts"]
        assert listed.data[0].content_parts is None
        assert [part.to_dict() for part in listed.data[1].content_parts or ()] == messages[1]["content"]
        later = await lenient.chat.completions.messages.list(completion_id, after=f"{completion_id}-0")
        assert [each.id for each in later.data] == [f"{completion_id}-1"]
        backward = await lenient.chat.completions.messages.list(completion_id, order="desc", limit=1)
        assert ([each.id for each in backward.data], backward.has_more) == ([f"{completion_id}-1"], True)


@pytest.mark.parametrize("key", ["sk-globex", "sk-acme-other"])
async def test_nobody_else_sees_changes_exports_or_deletes_anything(served: Served, client: AsyncOpenAI, key: str) -> None:
    completion_id = await store(client, metadata={"a": "1"})
    async with served.client(key) as stranger:
        assert await ids(stranger) == await ids(stranger, metadata={"a": "1"}) == await ids(stranger, model="demo") == []
        calls: Any = stranger.chat.completions
        for call in (calls.retrieve, calls.delete, calls.messages.list, lambda one: calls.update(one, metadata={"x": "y"})):
            with pytest.raises(openai.NotFoundError):
                await call(completion_id)
        with pytest.raises(openai.BadRequestError):
            await ids(stranger, after=completion_id)
        exported = await stranger.get("/chat/completions/export?include_summary=true", cast_to=httpx.Response)
        assert exported.json()["completions"] == 0
    assert (await client.chat.completions.retrieve(completion_id)).metadata == {"a": "1"}


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=101", "limit", "integer_above_max_value"),
        ("limit=x", "limit", "invalid_type"),
        ("order=up", "order", "invalid_value"),
        ("after=chatcmpl-0", "after", "invalid_value"),
        ("after=" + "x" * 300, "after", "invalid_value"),
        ("model=a&model=b", "model", "invalid_value"),
        ("mode=a", "mode", "unrecognized_request_argument"),
        ("metadata[k]=" + "v" * 513, "metadata[k]", "invalid_value"),
        ("&".join(f"metadata[{n}]=v" for n in range(17)), "metadata", "object_above_max_length"),
        ("model=%00", "model", "invalid_value"),
        ("model=%ff", None, "invalid_value"),
    ],
)
async def test_a_wrong_query_is_refused_by_its_name(served: Served, query: str, param: str | None, code: str) -> None:
    async with served.http_client() as http:
        refused = await http.get(f"{ROOT}?{query}")
    assert (refused.status_code, refused.json()["error"]["param"], refused.json()["error"]["code"]) == (400, param, code)


async def test_an_answer_that_is_too_large_to_keep_is_given_with_a_warning(tmp_path: Path) -> None:
    served = Served(tmp_path, completions=StoredCompletionsSettings(max_completion_bytes=64 << 10))
    long: Any = [{"role": "user", "content": "x" * (70 << 10)}]
    async with served.running(), served.client() as client:
        answer = await client.chat.completions.create(model="demo", messages=long, store=True)
        assert answer.choices[0].message.content == "Hello there."
        (warning,) = answer.model_extra["warnings"]  # type: ignore[index]
        assert (warning["code"], warning["param"]) == ("stored_completion_too_large", "store")
        stream = await client.chat.completions.create(
            model="demo", messages=long, store=True, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "Hello there."
        assert chunks[-2].model_extra["warnings"] == [warning]  # type: ignore[index]
        assert chunks[-1].usage is not None
        assert await ids(client) == []
    assert served.counted("ossature_stored_completions_total", outcome="too_large") == 2


async def test_an_organization_over_its_quota_is_answered_and_told(tmp_path: Path) -> None:
    served = Served(tmp_path, completions=StoredCompletionsSettings(max_completions_per_organization=2))
    async with served.running(), served.client() as client, served.client("sk-globex") as other:
        kept = [await store(client) for _ in range(2)]
        await served.storage.usage.refresh()
        answer = await client.chat.completions.create(model="demo", messages=QUESTION, store=True)
        (warning,) = answer.model_extra["warnings"]  # type: ignore[index]
        assert warning["code"] == "stored_completions_quota_exceeded"
        assert await ids(client) == kept
        await store(other)
    assert served.counted("ossature_stored_completions_total", outcome="quota_exceeded") == 1


async def test_a_database_that_fails_costs_the_copy_and_not_the_answer(served: Served, client: AsyncOpenAI) -> None:
    await store(client)
    await served.storage.commits.close()
    answer = await client.chat.completions.create(model="demo", messages=QUESTION, store=True)
    assert answer.choices[0].message.content == "Hello there."
    assert answer.model_extra["warnings"][0]["code"] == "store_unavailable"  # type: ignore[index]
    assert served.counted("ossature_stored_completions_total", outcome="unavailable") == 1


async def test_an_answer_that_breaks_off_is_not_stored(served: Served, client: AsyncOpenAI) -> None:
    served.relay.breaks = RuntimeError("the relay broke")
    with pytest.raises(openai.APIError):
        await store_stream(client)
    assert await ids(client) == []


async def test_storing_switched_off_is_refused_before_tokens_are_spent(tmp_path: Path) -> None:
    served = Served(tmp_path, completions=StoredCompletionsSettings(enabled=False))
    async with served.running(), served.client() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await store(client)
        assert (refused.value.param, refused.value.code) == ("store", "unsupported_parameter")
        assert served.relay.requests == []
        assert await ids(client) == []


async def test_text_completions_are_not_stored(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.completions.create(model="demo", prompt="x", extra_body={"store": True})
    assert refused.value.param == "store"


async def test_what_is_past_its_retention_is_invisible_at_once_and_purged(tmp_path: Path) -> None:
    served = Served(tmp_path, completions=StoredCompletionsSettings(retention_s=1, purge_interval_s=0.05))
    async with served.running(), served.client() as client:
        completion_id = await store(client, metadata={"a": "1"})
        assert await ids(client) == [completion_id]
        async with served.database.transaction() as session:
            await session.execute(text("UPDATE stored_completions SET created_us = created_us - 2000000"))
        assert await ids(client) == []
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.retrieve(completion_id)
        while not served.counted("ossature_stored_completions_purged_total"):  # noqa: ASYNC110 - a metric tells nobody
            await asyncio.sleep(0.02)
        async with served.database.session() as session:
            left = "SELECT (SELECT count(*) FROM stored_completions) + (SELECT count(*) FROM stored_completion_tags)"
            assert (await session.execute(text(left))).scalar_one() == 0


async def export(served: Served, query: str = "") -> list[dict[str, Any]]:
    async with served.http_client() as http:
        answer = await http.get(f"{ROOT}/export?include_summary=true&{query}")
    assert answer.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_filter_is_exported_as_a_training_file_with_a_summary(served: Served, client: AsyncOpenAI) -> None:
    history: Any = [*QUESTION, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go on"}]
    await store(client, messages=history, metadata={"task": "a"})
    served.relay.finish_reason = "length"
    await store(client, metadata={"task": "a"})
    served.relay.finish_reason = "stop"
    await store(client, metadata={"task": "b"})
    *examples, summary = await export(served, "metadata[task]=a")
    assert examples == [
        {
            "messages": [
                QUESTION[0],
                {"role": "assistant", "content": "Yes?", "weight": 0},
                history[2],
                {"role": "assistant", "content": "Hello there."},
            ]
        }
    ]
    assert summary["left_out"] == {"cut_off": 1}
    assert (summary["completions"], summary["examples"], summary["further_choices"]) == (2, 1, 0)


async def test_tools_and_calls_are_exported(served: Served, client: AsyncOpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": '{"n": 1}'}}
    served.relay = FakeRelay(words=(), message={"tool_calls": [{**call, "index": 0}]}, finish_reason="tool_calls")
    served.inference._relay = served.relay
    await store_stream(client, tools=[TOOL], parallel_tool_calls=False)
    example, _ = await export(served)
    assert example["messages"][-1] == {"role": "assistant", "tool_calls": [call]}
    assert (example["tools"], example["parallel_tool_calls"]) == ([TOOL], False)


async def test_an_export_can_become_a_file(served: Served, client: AsyncOpenAI) -> None:
    await store(client, metadata={"task": "a"})
    body = {"metadata": {"task": "a"}, "filename": "teacher.jsonl"}
    made = (await client.post("/chat/completions/export", body=body, cast_to=httpx.Response)).json()
    assert (made["file"]["purpose"], made["file"]["filename"], made["summary"]["examples"]) == ("fine-tune", "teacher.jsonl", 1)
    content = await client.files.content(made["file"]["id"])
    assert json.loads(content.text)["messages"][-1]["content"] == "Hello there."
    assert made["summary"]["bytes"] == made["file"]["bytes"] == len(content.content)
