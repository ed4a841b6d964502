from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.errors import InvalidRequest
from cluster.inference.requests.chat import REFUSED, ChatCompletionRequest, ChatFields
from cluster.inference.requests.completion import REFUSED as REFUSED_OF_COMPLETION
from cluster.inference.requests.completion import CompletionFields
from tests.unit.requests import openai_spec
from tests.unit.requests.openai_spec import needs_spec
from tests.unit.requests.samples import CALL, CLOCK, WEATHER, chat


def argument_names(schema: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        schema = openai_spec.schema(schema["$ref"].rpartition("/")[2])
    yield from schema.get("properties", {})
    for part in schema.get("allOf", []):
        yield from argument_names(part)


@needs_spec
@pytest.mark.parametrize(
    ("schema", "served", "refused"),
    [
        ("CreateChatCompletionRequest", ChatFields, REFUSED),
        ("CreateCompletionRequest", CompletionFields, REFUSED_OF_COMPLETION),
    ],
)
def test_every_argument_of_openai_is_either_served_or_refused_with_a_reason(schema: str, served: Any, refused: Any) -> None:
    names = set(argument_names(openai_spec.schema(schema)))
    assert len(names) > 15
    assert names - set(served.model_fields) - set(refused) == set()


BODIES = [
    chat(),
    chat(tools=[WEATHER, CLOCK], tool_choice="required", parallel_tool_calls=True),
    chat({"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [CALL]})
    | {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}}},
    chat(stop=["a"], logit_bias={"5": 1}, stream=True, stream_options={"include_usage": True}, n=2, seed=1),
    chat(metadata={"a": "b"}, service_tier="auto", prompt_cache_retention="24h", prompt_cache_options={"ttl": "30m"}),
]


@needs_spec
@pytest.mark.parametrize("body", BODIES)
def test_bodies_of_these_tests_are_valid_by_openais_own_schema(body: dict[str, Any]) -> None:
    assert openai_spec.faults("CreateChatCompletionRequest", body) == []
    assert isinstance(ChatCompletionRequest.parse(body), ChatCompletionRequest)


@needs_spec
@pytest.mark.parametrize("error", [InvalidRequest("m"), InvalidRequest("m", param="p", code="c")])
def test_errors_have_openais_shape(error: InvalidRequest) -> None:
    assert openai_spec.faults("ErrorResponse", error.body()) == []
