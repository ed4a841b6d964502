"""Cached tokens as users see them, retention, and the wall between organizations, over HTTP and gRPC."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import grpc
import pytest

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, chat_pb2_grpc, message_pb2
from tests.e2e.conftest import IN_MEMORY_PERIOD_S, RunningCluster

pytestmark = pytest.mark.e2e

MODEL = "gpt-oss-demo"
#: Sends a prompt with the caller's key; returns (prompt tokens, cached tokens).
Ask = Callable[[str, str, str | None], tuple[int, int]]


def long_prompt() -> str:
    """About 1,500 tokens that no other test has sent."""
    return f"{secrets.token_hex(8)} " + "the shop sells apples and pears. " * 210


def over_http(running: RunningCluster) -> Ask:
    def ask(prompt: str, key: str, retention: str | None) -> tuple[int, int]:
        usage = (
            running.client(key)
            .chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": prompt}],
                max_completion_tokens=4,
                **({"prompt_cache_retention": retention} if retention else {}),  # type: ignore[arg-type]
            )
            .usage
        )
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        return usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens or 0

    return ask


def over_http_stream(running: RunningCluster) -> Ask:
    def ask(prompt: str, key: str, retention: str | None) -> tuple[int, int]:
        *_, last = running.client(key).chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": prompt}],
            max_completion_tokens=4,
            stream=True,
            stream_options={"include_usage": True},
            **({"prompt_cache_retention": retention} if retention else {}),  # type: ignore[arg-type]
        )
        assert last.usage is not None
        assert last.usage.prompt_tokens_details is not None
        return last.usage.prompt_tokens, last.usage.prompt_tokens_details.cached_tokens or 0

    return ask


def over_grpc(running: RunningCluster) -> Ask:
    retentions = {
        None: chat_pb2.PROMPT_CACHE_RETENTION_UNSPECIFIED,
        "in_memory": chat_pb2.PROMPT_CACHE_RETENTION_IN_MEMORY,
        "24h": chat_pb2.PROMPT_CACHE_RETENTION_24H,
    }

    def ask(prompt: str, key: str, retention: str | None) -> tuple[int, int]:
        request = chat_pb2.CreateChatCompletionRequest(
            model=MODEL,
            messages=[message_pb2.ChatMessage(role=message_pb2.ROLE_USER, content=prompt)],
            max_completion_tokens=4,
            prompt_cache_retention=retentions[retention],
        )
        with running.channel() as channel:
            answer = chat_pb2_grpc.ChatServiceStub(channel).CreateChatCompletion(
                request, metadata=[("authorization", f"Bearer {key}")], timeout=120
            )
        return answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens

    return ask


EDGES = pytest.mark.parametrize("edge", [over_http, over_http_stream, over_grpc])


def warmed(ask: Ask, prompt: str, key: str, retention: str | None = None) -> int:
    """Ask twice; the second answer's cached tokens. A retention period that ends between the two costs one more try."""
    cached = 0
    for _ in range(3):
        ask(prompt, key, retention)
        cached = ask(prompt, key, retention)[1]
        if cached:
            break
    return cached


@EDGES
def test_same_prompt_same_org_hits_in_steps_of_128(running: RunningCluster, edge: Callable[[RunningCluster], Ask]) -> None:
    ask, prompt = edge(running), long_prompt()
    prompt_tokens, cold = ask(prompt, running.api_key, None)
    assert prompt_tokens > 1024
    assert cold == 0
    cached = warmed(ask, prompt, running.api_key)
    assert 1024 <= cached <= prompt_tokens
    assert cached % 128 == 0


@EDGES
def test_same_prompt_other_org_misses(running: RunningCluster, edge: Callable[[RunningCluster], Ask]) -> None:
    ask, prompt = edge(running), long_prompt()
    assert warmed(ask, prompt, running.api_key) > 0
    assert ask(prompt, running.beta_key, None)[1] == 0


@EDGES
def test_prompts_under_1024_tokens_show_no_hit(running: RunningCluster, edge: Callable[[RunningCluster], Ask]) -> None:
    ask, prompt = edge(running), secrets.token_hex(8) + " apples and pears" * 200
    assert ask(prompt, running.api_key, None)[0] < 1024
    assert warmed(ask, prompt, running.api_key) == 0


def test_second_prompt_with_the_same_beginning_hits(running: RunningCluster) -> None:
    ask, beginning = over_http(running), long_prompt() * 2
    ask(beginning + "What can I buy?", running.api_key, "24h")
    assert ask(beginning + "Where is my order 4711? I have waited for it.", running.api_key, "24h")[1] >= 1024


def test_another_orgs_prompt_is_not_found_by_a_guessed_salt(running: RunningCluster) -> None:
    prompt = long_prompt()
    assert warmed(over_http(running), prompt, running.api_key) > 0
    for salt in ("", "a", "ossature"):
        answer = running.raw(running.beta_key).post(
            "/v1/chat/completions",
            json={
                "model": MODEL,
                "messages": [{"role": "user", "content": prompt}],
                "max_completion_tokens": 2,
                "cache_salt": salt,
            },
        )
        if salt:
            assert answer.status_code == 200, answer.text
            assert answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        else:
            error = answer.json()["error"]
            assert (answer.status_code, error["param"], error["code"]) == (400, "cache_salt", "empty_string")


def test_a_clients_salt_subdivides_its_own_cache(running: RunningCluster) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": long_prompt()}], "max_completion_tokens": 2}
    body["prompt_cache_retention"] = "24h"

    def cached(salt: str) -> int:
        answer = running.raw().post("/v1/chat/completions", json=body | {"cache_salt": salt}).raise_for_status()
        return int(answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"])

    assert cached("tenant-1") == 0
    assert cached("tenant-1") > 0
    assert cached("tenant-2") == 0


def test_a_conversation_keeps_its_replica(running: RunningCluster) -> None:
    """Each turn finds what the turn before it left, which only its own replica has."""
    client = running.client()
    messages: list[dict[str, str]] = [{"role": "system", "content": long_prompt()}]
    hits = []
    for turn in range(6):
        messages.append({"role": "user", "content": f"Hello, this is turn {turn}."})
        answer = client.chat.completions.create(
            model=MODEL,
            messages=messages,  # type: ignore[arg-type]
            max_completion_tokens=40,
            prompt_cache_retention="24h",
        )
        assert answer.usage is not None
        assert answer.usage.prompt_tokens_details is not None
        hits.append(answer.usage.prompt_tokens_details.cached_tokens or 0)
        messages.append({"role": "assistant", "content": answer.choices[0].message.content or ""})
    assert hits[0] == 0
    assert all(hit >= 1024 for hit in hits[1:]), hits


@pytest.mark.parametrize("edge", [over_http, over_grpc])
def test_in_memory_entries_end_with_their_period_and_24h_entries_stay(
    running: RunningCluster, edge: Callable[[RunningCluster], Ask]
) -> None:
    ask, short, long = edge(running), long_prompt(), long_prompt()
    assert warmed(ask, long, running.api_key, "24h") > 0
    assert warmed(ask, short, running.api_key, "in_memory") > 0
    time.sleep(IN_MEMORY_PERIOD_S + 1)
    assert ask(short, running.api_key, "in_memory")[1] == 0
    assert ask(long, running.api_key, "24h")[1] > 0


def test_retentions_do_not_share_entries(running: RunningCluster) -> None:
    ask, prompt = over_http(running), long_prompt()
    assert warmed(ask, prompt, running.api_key, "24h") > 0
    assert ask(prompt, running.api_key, "in_memory")[1] == 0


def test_no_cross_organization_hit_was_ever_seen(running: RunningCluster) -> None:
    samples = [line for line in running.scrape().splitlines() if line.startswith("ossature_cross_org_hits_total{")]
    assert samples
    assert all(float(line.rsplit(" ", 1)[1]) == 0 for line in samples)


def test_grpc_refuses_without_a_key(running: RunningCluster) -> None:
    with running.channel() as channel, pytest.raises(grpc.RpcError) as refused:
        chat_pb2_grpc.ChatServiceStub(channel).CreateChatCompletion(chat_pb2.CreateChatCompletionRequest(model=MODEL), timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
