"""Hundreds of broken requests over real sockets: never a 5xx, and the cluster answers normally afterwards."""

from __future__ import annotations

import json
import random
import socket
import string
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.conftest import RunningCluster

pytestmark = pytest.mark.e2e

MODEL = "gpt-oss-demo"
REQUESTS = 500
VALID: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 1}
FIELDS = [
    "model", "messages", "max_completion_tokens", "temperature", "top_p", "n", "stop", "seed", "tools", "tool_choice", "logprobs",
    "top_logprobs", "response_format", "reasoning_effort", "metadata", "stream", "stream_options", "logit_bias", "prompt_cache_key",
    "prompt_cache_retention", "service_tier", "presence_penalty", "cache_salt", "modalities", "user", "store", "priority", "x",
]  # fmt: skip
ODD_VALUES: list[Any] = [
    None, True, -1, 0, 10**30, -(10**30), 1e308, "", "\x00", "\ud800", "é" * 1000, [], [[]], [None], {}, {"a": {}}, {"type": "x"},
    [{"role": 5}], [{"role": "user"}], [{"role": "user", "content": [{"type": "image_url"}]}], "9" * 400, [[[[[[]]]]]], {"": None},
]  # fmt: skip


def broken_body(source: random.Random) -> bytes:
    kind = source.randrange(8)
    if kind == 0:
        return source.randbytes(source.randrange(200))
    if kind == 1:
        return json.dumps(VALID).encode()[: source.randrange(1, 60)]
    if kind == 2:
        return b"[" * source.randrange(1, 100_000)
    if kind == 3:
        return b'{"model":"\xff\xfe","messages":[]}'
    if kind == 4:
        return json.dumps(VALID).replace('"Hello"', source.choice(["NaN", "Infinity", "1e999", "-0", '"\\ud800"'])).encode()
    if kind == 5:
        return (b'{"a":' * source.randrange(1, 5000)) + b"1"
    body: dict[str, Any] = dict(VALID)
    for _ in range(source.randrange(1, 4)):
        body[source.choice(FIELDS)] = source.choice(ODD_VALUES)
    if kind == 6:
        body["".join(source.choices(string.printable, k=8))] = 1
    return json.dumps(body).encode()


def assert_tells_nothing_of_others(running: RunningCluster, answer: httpx.Response) -> None:
    """Of another organization, its key and its model: whatever was asked, an answer has no business to hold them."""
    for secret in (running.beta_org, running.beta_key, "bench-qwen3"):
        assert secret not in answer.text, answer.text[:500]


def assert_answers_normally(running: RunningCluster) -> None:
    answer = running.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}], temperature=0)
    assert answer.choices[0].finish_reason == "stop"


def test_five_hundred_malformed_requests_bring_no_5xx(running: RunningCluster) -> None:
    source = random.Random(20261121)
    with running.raw() as client:
        for number in range(REQUESTS):
            body = broken_body(source)
            path = source.choice(["/v1/chat/completions", "/v1/chat/completions", "/v1/completions"])
            answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code < 500, (number, path, body[:300], answer.text[:500])
            assert_tells_nothing_of_others(running, answer)
            if answer.status_code >= 400:
                assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert_answers_normally(running)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/chat/completions"), ("POST", "/v1/models"), ("GET", "/v1/nothing"), ("DELETE", "/"), ("GET", "/v1/models/%00%ff"),
     ("GET", "/v1/models/" + "m" * 5000), ("PATCH", "/admin/v1/organizations"), ("GET", "/admin/v1/organizations/' OR 1=1 --")],
)  # fmt: skip
def test_wrong_methods_and_paths_are_4xx_in_openais_shape(running: RunningCluster, method: str, path: str) -> None:
    answer = running.raw().request(method, path)
    assert 400 <= answer.status_code < 500
    assert_tells_nothing_of_others(running, answer)
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_hundred_megabytes_are_refused_with_413(running: RunningCluster) -> None:
    def pieces() -> Any:
        for _ in range(100):
            yield b"a" * (1 << 20)

    refused = 0
    for content in (b"a" * (100 << 20), pieces()):
        try:
            answer = running.raw().post("/v1/chat/completions", content=content, headers={"Content-Type": "application/json"})
        except httpx.TransportError:
            continue  # the server answered and closed while the client was still sending
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "request_too_large"
        assert_tells_nothing_of_others(running, answer)
        refused += 1
    assert refused, "no client got to see the refusal"
    assert_answers_normally(running)


def test_half_open_half_closed_and_dripping_sockets_harm_nobody(running: RunningCluster) -> None:
    target = urlsplit(running.http)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.api_key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    ).encode()
    sockets = []
    for number in range(40):
        connection = socket.create_connection((target.hostname, target.port), timeout=10)
        connection.sendall(head[: 20 + number * 7])
        if number % 3 == 0:
            connection.shutdown(socket.SHUT_WR)
        if number % 3 == 1:
            connection.sendall(b'{"model":')
        sockets.append(connection)
    assert_answers_normally(running)
    for connection in sockets:
        connection.close()
    assert_answers_normally(running)
