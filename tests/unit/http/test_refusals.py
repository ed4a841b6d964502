"""Errors on every path: status, OpenAI's shape, and what they must not tell."""

from __future__ import annotations

import json
import logging

import pytest

from cluster.errors import (
    ContextLengthExceeded,
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    OssatureError,
    Overloaded,
    RateLimited,
)
from tests.unit.http.conftest import Edge
from tests.unit.http.fakes import ACME
from tests.unit.requests import openai_spec
from tests.unit.requests.openai_spec import needs_spec
from tests.unit.requests.samples import chat, completion

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/v1/chat", 404, "unknown_url"),
        ("GET", "/v1/models/", 404, "unknown_url"),
        ("GET", "//v1/models", 404, "unknown_url"),
        ("GET", "/v1/%FF%00", 404, "unknown_url"),
        ("OPTIONS", "/nothing", 404, "unknown_url"),
        ("GET", CHAT, 405, "method_not_supported"),
        ("HEAD", CHAT, 405, None),
        ("OPTIONS", CHAT, 405, "method_not_supported"),
        ("PUT", "/v1/models/demo", 405, "method_not_supported"),
        ("PATCH", "/", 405, "method_not_supported"),
        ("GET", "/v1/models/gpt-9", 404, "model_not_found"),
    ],
)
async def test_wrong_paths_and_methods(edge: Edge, method: str, path: str, status: int, code: str | None) -> None:
    answer = await edge.request(method, path)
    assert answer.status_code == status
    if code is not None:
        assert answer.json()["error"]["code"] == code
    if status == 405:
        assert answer.headers["allow"] in ("POST", "GET, HEAD", "DELETE, GET, HEAD")
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/admin/v1/organizations"])
async def test_without_a_valid_key_nothing_is_read(edge: Edge, path: str) -> None:
    for key in (None, "sk-wrong"):
        answer = await edge.request("POST", path, key=key, content=b"{ not even JSON")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
    for header in (b"Basic sk-acme", b"sk-acme", b"Bearer", b"Bearer \xc3\xa4", b"Bearer sk-acme,sk-acme"):
        assert (await edge.request("POST", path, key=None, headers={"authorization": header})).status_code == 401
    assert edge.inference.asked == []


async def test_keys_do_what_they_are_for_only(edge: Edge) -> None:
    for method, path in (("POST", CHAT), ("POST", "/v1/completions"), ("GET", "/v1/models"), ("GET", "/v1/models/demo")):
        answer = await edge.request(method, path, key="sk-admin")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    for method, path in (("GET", "/admin/v1/organizations"), ("GET", "/admin/v1/status"), ("DELETE", "/admin/v1/keys/key_0")):
        answer = await edge.request(method, path, key="sk-acme")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")


async def test_the_organization_header_selects_nothing_else(edge: Edge) -> None:
    assert (await edge.request("GET", "/v1/models", headers={"openai-organization": "org_acme"})).status_code == 200
    answer = await edge.request("GET", "/v1/models", headers={"openai-organization": "org_other"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "mismatched_organization")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "invalid_json"),
        (b"{", "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "invalid_type"),
        (b"\xff\xfe{\x00}\x00", "application/json", 400, "invalid_json"),
        (b'{"model":"demo","messages":[' + b"[" * 70 + b"]" * 70 + b"]}", "application/json", 400, "json_too_deep"),
        (b"model=demo", "application/x-www-form-urlencoded", 415, "unsupported_content_type"),
        (b"{}", "text/plain", 415, "unsupported_content_type"),
        (b"{}", "application/json; charset=utf-16", 415, "unsupported_content_type"),
        (b"{}", "application/json; charset=UTF-8", 400, "missing_required_parameter"),
        (b"x" * (1 << 20), "application/json", 400, "invalid_json"),
        (b"x" * ((1 << 20) + 1), "application/json", 413, "request_too_large"),
    ],
)
async def test_bodies_that_are_no_request(edge: Edge, body: bytes, content_type: str, status: int, code: str) -> None:
    answer = await edge.request("POST", CHAT, content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_compressed_bodies_are_refused(edge: Edge) -> None:
    answer = await edge.post(CHAT, chat(), headers={"content-encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("No.", param="tools"), 400),
        (ContextLengthExceeded("Too long.", param="messages"), 400),
        (RateLimited("Slow down.", retry_after_s=1.2), 429),
        (Overloaded("Busy."), 503),
        (DeadlineExceeded("Late."), 504),
        (EngineFailed("Dead."), 500),
    ],
)
async def test_an_error_before_the_first_byte_has_its_status(edge: Edge, error: OssatureError, status: int, stream: bool) -> None:
    edge.inference.error = error
    answer = await edge.post(CHAT, chat(stream=stream))
    assert answer.status_code == status
    assert answer.json() == error.body()
    if error.retry_after_s is None:
        assert "retry-after" not in answer.headers
    else:
        assert int(answer.headers["retry-after"]) >= error.retry_after_s
        assert int(answer.headers["retry-after-ms"]) == round(error.retry_after_s * 1000)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_defect_tells_its_request_id_and_nothing_of_the_inside(
    edge: Edge, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    edge.inference.error = KeyError("db.password")
    with caplog.at_level(logging.ERROR):
        answer = await edge.post(CHAT, chat(stream=stream))
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (500, "server_error", "internal_error")
    assert answer.headers["x-request-id"] in error["message"]
    assert "password" not in answer.text
    assert any(record.exc_info for record in caplog.records)


async def test_a_defect_of_the_authenticator_is_no_way_in(edge: Edge) -> None:
    edge.authenticator.error = RuntimeError("broken")
    assert (await edge.post(CHAT, chat())).status_code == 500
    assert edge.inference.asked == []


async def test_an_unknown_model(edge: Edge) -> None:
    for path, body in ((CHAT, chat(model="gpt-9")), ("/v1/completions", completion(model="gpt-9"))):
        answer = await edge.post(path, body)
        assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]) == (
            404,
            "model_not_found",
            "model",
        )


async def test_the_next_request_works_after_every_refusal(edge: Edge) -> None:
    for body in (b"{", b"x" * (1 << 21), json.dumps(chat(n=0)).encode(), json.dumps(chat(model="gpt-9")).encode()):
        assert (await edge.request("POST", CHAT, content=body)).status_code in (400, 404, 413)
        assert (await edge.post(CHAT, chat())).status_code == 200


async def test_what_the_edge_refuses_is_reported_once_and_what_the_inside_refuses_is_not(edge: Edge) -> None:
    await edge.post(CHAT, chat(n=0))
    await edge.request("GET", "/v1/models", key="sk-wrong")
    await edge.request("GET", "/nothing")
    assert [(principal, error.status) for principal, error in edge.refusals] == [(ACME, 400), (None, 401), (None, 404)]
    edge.inference.error = Overloaded("Busy.")
    await edge.post(CHAT, chat())
    await edge.post(CHAT, chat(model="gpt-9"))
    assert len(edge.refusals) == 3


@needs_spec
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", CHAT, chat(temperature=9)),
        ("POST", CHAT, chat(model="gpt-9")),
        ("POST", "/v1/completions", {}),
        ("GET", "/v1/nothing", None),
        ("PUT", "/v1/models", None),
        ("GET", "/admin/v1/organizations", None),
    ],
)
async def test_every_error_is_valid_by_openais_schema(edge: Edge, method: str, path: str, body: object) -> None:
    answer = await edge.request(method, path, json=body)
    assert answer.status_code >= 400
    assert openai_spec.faults("ErrorResponse", answer.json()) == []


@needs_spec
async def test_models_are_valid_by_openais_schema(edge: Edge) -> None:
    models = (await edge.request("GET", "/v1/models")).json()
    assert openai_spec.faults("ListModelsResponse", models) == []
    assert openai_spec.faults("Model", (await edge.request("GET", "/v1/models/acme/tuned/v1")).json()) == []
    assert (await edge.request("GET", "/v1/models/acme%2Ftuned%2Fv1")).json()["id"] == "acme/tuned/v1"
