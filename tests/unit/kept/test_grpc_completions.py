"""``StoredCompletionService`` over a real socket: what HTTP lists, typed."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2, paging_pb2, tool_pb2
from cluster.edges.grpc.generated.ossature.v1 import stored_completions_pb2 as pb
from tests.unit.kept.errors import refused
from tests.unit.kept.scene import AUTH, Scene


async def ids(scene: Scene, **fields: Any) -> list[str]:
    answer = await scene.completions.ListStoredCompletions(pb.ListStoredCompletionsRequest(**fields), metadata=AUTH)
    return [each.completion.id for each in answer.completions]


async def test_a_kept_answer_is_told_with_its_arguments(scene: Scene) -> None:
    function = tool_pb2.FunctionDefinition(name="look_up", parameters='{"type":"object","properties":{"b":{},"a":{}}}')
    completion_id = await scene.store(
        "Hello",
        metadata={"task": "greet"},
        temperature=0.25,
        seed=7,
        max_completion_tokens=9,
        tools=[tool_pb2.Tool(function=function)],
        tool_choice=tool_pb2.ToolChoice(mode=tool_pb2.TOOL_CHOICE_MODE_AUTO),
        response_format=tool_pb2.ResponseFormat(
            json_schema=tool_pb2.JsonSchemaFormat(name="said", schema='{"type":"object","properties":{}}')
        ),
    )
    got = (
        await scene.completions.GetStoredCompletion(pb.GetStoredCompletionRequest(completion_id=completion_id), metadata=AUTH)
    ).completion
    assert (got.completion.id, got.completion.choices[0].message.content) == (completion_id, "Hello")
    assert got.completion.usage.prompt_tokens == 2000
    assert dict(got.metadata) == {"task": "greet"}
    assert got.request_id
    told = got.arguments
    assert (told.temperature, told.seed, told.max_completion_tokens) == (0.25, 7, 9)
    assert told.tools[0].function.name == "look_up"
    assert told.tools[0].function.parameters == function.parameters, "the order of properties is kept"
    assert told.tool_choice.mode == tool_pb2.TOOL_CHOICE_MODE_AUTO
    assert told.response_format.json_schema.name == "said"


async def test_lists_are_filtered_ordered_and_paged(scene: Scene) -> None:
    made = [await scene.store(str(number), metadata={"odd": str(number % 2)}) for number in range(5)]
    assert await ids(scene) == made
    assert await ids(scene, order=paging_pb2.SORT_ORDER_DESC) == made[::-1]
    assert await ids(scene, metadata={"odd": "1"}) == made[1::2]
    assert await ids(scene, model="other") == []
    page = await scene.completions.ListStoredCompletions(pb.ListStoredCompletionsRequest(limit=2), metadata=AUTH)
    assert page.has_more
    assert await ids(scene, after=page.completions[-1].completion.id, limit=2) == made[2:4]
    assert await ids(scene, after=made[-1]) == []


async def test_a_page_ends_early_where_a_message_would_be_too_large_for_clients(scene: Scene) -> None:
    """Clients take 4 MiB by default."""
    made = [await scene.store("x" * 900_000) for _ in range(6)]
    seen: list[str] = []
    more, after = True, None
    while more:
        asked = pb.ListStoredCompletionsRequest() if after is None else pb.ListStoredCompletionsRequest(after=after)
        page = await scene.completions.ListStoredCompletions(asked, metadata=AUTH)
        assert 0 < len(page.completions) < len(made)
        seen += [each.completion.id for each in page.completions]
        more, after = page.has_more, seen[-1]
    assert seen == made


async def test_metadata_is_replaced_and_taken_away(scene: Scene) -> None:
    completion_id = await scene.store(metadata={"a": "1", "b": "2"})

    async def update(**fields: Any) -> dict[str, str]:
        asked = pb.UpdateStoredCompletionRequest(completion_id=completion_id, **fields)
        return dict((await scene.completions.UpdateStoredCompletion(asked, metadata=AUTH)).completion.metadata)

    assert await update(metadata={"c": "3"}) == {"c": "3"}
    assert await ids(scene, metadata={"c": "3"}) == [completion_id]
    assert await update() == {}
    assert await ids(scene, metadata={"c": "3"}) == []


async def test_a_deleted_one_is_gone(scene: Scene) -> None:
    completion_id = await scene.store()
    await scene.completions.DeleteStoredCompletion(pb.DeleteStoredCompletionRequest(completion_id=completion_id), metadata=AUTH)
    gone = await refused(
        scene.completions.GetStoredCompletion(pb.GetStoredCompletionRequest(completion_id=completion_id), metadata=AUTH)
    )
    assert (gone.code, gone.reason, gone.field) == (grpc.StatusCode.NOT_FOUND, "COMPLETION_NOT_FOUND", "completion_id")


async def test_messages_are_those_of_the_request(scene: Scene) -> None:
    said = message_pb2.ChatMessage(role=message_pb2.ROLE_SYSTEM, content="Be brief.")
    parts = [message_pb2.ContentPart(text="Hel"), message_pb2.ContentPart(text="lo")]
    asked = message_pb2.ChatMessage(role=message_pb2.ROLE_USER, content_parts=message_pb2.ContentParts(parts=parts), name="kim")
    called = message_pb2.ToolCall(id="c1", function=message_pb2.FunctionCall(name="look_up", arguments="{}"))
    answered = message_pb2.ChatMessage(role=message_pb2.ROLE_ASSISTANT, tool_calls=[called])
    result = message_pb2.ChatMessage(role=message_pb2.ROLE_TOOL, content="4", tool_call_id="c1")
    sent = chat_pb2.CreateChatCompletionRequest(model="demo", messages=[said, asked, answered, result], store=True)
    completion_id = (await scene.chat.CreateChatCompletion(sent, metadata=AUTH)).id

    async def page(**fields: Any) -> list[pb.StoredCompletionMessage]:
        wanted = pb.ListStoredCompletionMessagesRequest(completion_id=completion_id, **fields)
        return list((await scene.completions.ListStoredCompletionMessages(wanted, metadata=AUTH)).messages)

    messages = await page()
    assert [each.message for each in messages] == [said, asked, answered, result]
    assert [each.id for each in await page(after=messages[0].id, limit=1)] == [messages[1].id]
    assert [each.id for each in await page(order=paging_pb2.SORT_ORDER_DESC)] == [each.id for each in messages[::-1]]


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"limit": 0}, "limit", "INTEGER_BELOW_MIN_VALUE"),
        ({"limit": 101}, "limit", "INTEGER_ABOVE_MAX_VALUE"),
        ({"order": 9}, "order", "INVALID_VALUE"),
        ({"after": "chatcmpl-0"}, "after", "INVALID_VALUE"),
        ({"after": "x" * 300}, "after", "STRING_ABOVE_MAX_LENGTH"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "STRING_ABOVE_MAX_LENGTH"),
        ({"metadata": {str(number): "v" for number in range(17)}}, "metadata", "OBJECT_ABOVE_MAX_LENGTH"),
        ({"model": "a\0b"}, "model", "INVALID_VALUE"),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name(scene: Scene, fields: dict[str, Any], field: str, reason: str) -> None:
    refusal = await refused(scene.completions.ListStoredCompletions(pb.ListStoredCompletionsRequest(**fields), metadata=AUTH))
    assert (refusal.code, refusal.field, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, field, reason)
