from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from ray.serve._private.http_util import RequestIdMiddleware, parse_disconnect_disabled_header

from cluster.edges.serve_ingress import shorten_ingress

App = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RequestIdMiddleware, "__call__", RequestIdMiddleware.__call__)
    shorten_ingress()
    shorten_ingress()


async def ask(app: App, *headers: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is read here")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await RequestIdMiddleware(app)({"type": "http", "headers": list(headers)}, receive, send)  # type: ignore[arg-type]
    return sent


def answering(*headers: tuple[bytes, bytes]) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b""})

    return app


async def test_an_answers_own_request_id_stays_the_only_one() -> None:
    start, _ = await ask(answering((b"X-Request-Id", b"req_ours")), (b"x-request-id", b"theirs"))
    assert start["headers"] == [(b"X-Request-Id", b"req_ours")]


async def test_an_answer_without_a_request_id_gets_one() -> None:
    first, _ = await ask(answering((b"content-length", b"0")))
    second, _ = await ask(answering())
    ids = [dict(start["headers"])[b"x-request-id"] for start in (first, second)]
    assert all(ids)
    assert ids[0] != ids[1]


@pytest.mark.parametrize("claimed", [b"?0", b"?1"])
async def test_serve_leaves_disconnects_to_us_whatever_the_client_says(claimed: bytes) -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["headers"])

    await ask(app, (b"x-request-disconnect-disabled", claimed), (b"accept", b"*/*"))
    assert parse_disconnect_disabled_header(dict(seen[0]))
    assert (b"accept", b"*/*") in seen[0]
    assert len(seen[0]) == 2
