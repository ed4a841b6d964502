"""Whatever a client sends, it is answered or refused: never a 5xx, never somebody else's answer."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.http.conftest import Edge
from tests.unit.requests.samples import CALL, CLOCK, WEATHER, chat

EXAMPLES = 600

_HUGE = st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**30, 10**400, 1e308, -0.0, 1e-320])
_ODD_TEXT = st.sampled_from(["", "\0", "\ud800", "\ufeff", "<|end|>", "a" * 70_000, "0", "null", "\u202e", "\U0001d54f"])
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | _HUGE | _ODD_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
_FULL: dict[str, Any] = chat(
    {"role": "system", "content": "s"},
    {"role": "user", "content": [{"type": "text", "text": "t"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "r", "tool_call_id": "call_1"},
    tools=[WEATHER, CLOCK],
    tool_choice={"type": "function", "function": {"name": "get_time"}},
    response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    stop=["a"],
    logit_bias={"1": 1},
    logprobs=True,
    top_logprobs=1,
    stream=False,
    metadata={"a": "b"},
    chat_template_kwargs={"a": 1},
    n=1,
    seed=1,
    temperature=1,
    max_completion_tokens=1,
    reasoning_effort="low",
    prompt_cache_retention="24h",
    prompt_cache_options={"mode": "implicit"},
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in children for place in ((*path, key), *_places(child, (*path, key)))]


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """A valid body with some of its places replaced, removed or renamed."""
    body = json.loads(json.dumps(_FULL))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(_places(body)))
        target = body
        for key in parents:
            target = target[key]
        match draw(st.sampled_from(["replace", "remove", "rename"])):
            case "replace":
                target[last] = draw(_ANY)
            case "remove":
                del target[last]
            case "rename" if isinstance(target, dict):
                target[draw(st.text(max_size=10))] = target.pop(last)
    return json.dumps(body).encode()


_TORN = st.builds(lambda data, at, junk: data[:at] + junk + data[at:], _mutated(), st.integers(0, 900), st.binary(max_size=6))
_BODIES = st.one_of(_mutated(), _mutated(), _TORN, _ANY.map(lambda value: json.dumps(value).encode()), st.binary(max_size=300))
_PATHS = st.sampled_from(["/v1/chat/completions"] * 6 + ["/v1/completions", "/admin/v1/organizations"])


@pytest.mark.slow
async def test_no_body_brings_a_5xx(edge: Edge) -> None:
    statuses: Counter[int] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(_PATHS, _BODIES)
    def run(client: httpx.Client, path: str, body: bytes) -> None:
        key = "sk-admin" if path.startswith("/admin") else "sk-acme"
        answer = client.post(path, content=body, headers={"authorization": f"Bearer {key}", "content-type": "application/json"})
        statuses[answer.status_code] += 1
        assert answer.status_code in (200, 400, 404, 409, 413), answer.text
        if answer.status_code != 200:
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
            assert len(answer.json()["error"]["message"]) < 2000

    def run_all() -> None:
        with httpx.Client(base_url=edge.url, timeout=30) as client:
            run(client)

    await asyncio.to_thread(run_all)
    assert statuses.total() >= 500
    assert statuses[400] > 200
    assert (await edge.post("/v1/chat/completions", chat())).status_code == 200
