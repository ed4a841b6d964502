from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.completion import CompletionRequest
from tests.unit.requests.samples import CALL, CLOCK, WEATHER, chat, completion

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_PARTS = st.lists(st.builds(lambda text: {"type": "text", "text": text}, _TEXT), min_size=1, max_size=3)
_MESSAGES = st.lists(
    st.one_of(
        st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "developer"]), _TEXT),
        st.builds(lambda content: {"role": "user", "content": content}, _TEXT | _PARTS),
        st.builds(
            lambda content, reasoning: {"role": "assistant", "content": content, "reasoning": reasoning}, _TEXT, st.none() | _TEXT
        ),
        st.just({"role": "assistant", "tool_calls": [CALL]}),
        st.just({"role": "assistant", "function_call": CALL["function"]}),
    ),
    min_size=1,
    max_size=8,
)
_HEADS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.sampled_from([[WEATHER], [CLOCK], [WEATHER, CLOCK], [CLOCK, WEATHER]]),
        "reasoning_effort": st.sampled_from(["low", "medium", "high"]),
        "response_format": st.sampled_from([{"type": "json_object"}, {"type": "text"}]),
        "chat_template_kwargs": st.sampled_from([{"thinking": True}, {"thinking": False}]),
    },
)


def canonical(messages: list[Any], **arguments: Any) -> bytes:
    return ChatCompletionRequest.parse(chat(*messages, **arguments)).canonical_prompt()


def shape(messages: list[Any], **arguments: Any) -> list[Any]:
    """What the engine is asked to render, in full."""
    body = json.loads(ChatCompletionRequest.parse(chat(*messages, **arguments)).engine_body())
    return [body.get(name) for name in ("reasoning_effort", "tools", "chat_template_kwargs", "response_format", "messages")]


@given(_MESSAGES, _MESSAGES, _HEADS)
def test_a_longer_conversation_starts_with_the_bytes_of_the_shorter(
    first: list[Any], more: list[Any], head: dict[str, Any]
) -> None:
    assert canonical(first + more, **head).startswith(canonical(first, **head))


@given(_MESSAGES, _HEADS, _MESSAGES, _HEADS)
def test_equal_bytes_mean_equal_prompts(one: list[Any], head: dict[str, Any], other: list[Any], other_head: dict[str, Any]) -> None:
    same_bytes = canonical(one, **head) == canonical(other, **other_head)
    assert same_bytes == (shape(one, **head) == shape(other, **other_head))


@given(_MESSAGES, _MESSAGES, _HEADS)
def test_no_message_can_pass_for_two(one: list[Any], other: list[Any], head: dict[str, Any]) -> None:
    starts = canonical(other, **head).startswith(canonical(one, **head))
    assert starts == (shape(other, **head)[-1][: len(one)] == shape(one, **head)[-1])


def test_what_is_not_rendered_does_not_matter() -> None:
    messages = [{"role": "user", "content": "Hello"}]
    plain = canonical(messages)
    assert canonical(messages, temperature=0.1, seed=3, user="u", prompt_cache_key="k", cache_salt="s", max_tokens=5) == plain
    assert ChatCompletionRequest.parse({"model": "other", "messages": messages}).canonical_prompt() == plain


def test_the_head_comes_in_the_order_of_the_template() -> None:
    prompt = canonical(
        [{"role": "user", "content": "Q"}], reasoning_effort="high", tools=[CLOCK], response_format={"type": "json_object"}
    )
    places = [prompt.index(word) for word in (b'"high"', b'"get_time"', b'"json_object"', b'"Q"')]
    assert places == sorted(places)


@given(_TEXT, _TEXT)
def test_a_longer_text_starts_with_the_bytes_of_the_shorter(first: str, more: str) -> None:
    def prompt(text: str) -> bytes:
        return CompletionRequest.parse(completion(text)).canonical_prompt()

    assert prompt(first + more).startswith(prompt(first))
    assert (prompt(first) == prompt(more)) == (first == more)


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1), st.lists(st.integers(0, 2**31 - 1)))
def test_more_tokens_start_with_the_bytes_of_fewer(first: list[int], more: list[int]) -> None:
    def prompt(ids: list[int]) -> bytes:
        return CompletionRequest.parse(completion(ids)).canonical_prompt()

    assert prompt(first + more).startswith(prompt(first))


@given(st.lists(st.lists(_TEXT, min_size=1, max_size=3), min_size=2, max_size=2))
def test_several_prompts_are_kept_apart(pair: list[list[str]]) -> None:
    one, other = (CompletionRequest.parse(completion(prompts)).canonical_prompt() for prompts in pair)
    assert (one == other) == (pair[0] == pair[1])
