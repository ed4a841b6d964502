"""Clients that go away, keys that are revoked, organizations that try each other's doors."""

from __future__ import annotations

import concurrent.futures
import time

import openai
import pytest

from tests.e2e.conftest import RunningCluster
from tests.e2e.test_grpc import engines_are_idle_within

pytestmark = pytest.mark.e2e

MODEL = "gpt-oss-demo"
LONG = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Hello"}],
    "max_completion_tokens": 6000,
    "ignore_eos": True,
}


def test_a_client_that_leaves_a_stream_aborts_its_generation(running: RunningCluster) -> None:
    with running.raw() as client, client.stream("POST", "/v1/chat/completions", json=LONG | {"stream": True}) as answer:
        next(answer.iter_lines())
    left = time.monotonic()
    assert engines_are_idle_within(running, 1.0), f"still generating {time.monotonic() - left:.1f} s later"


def test_a_client_that_leaves_before_a_whole_answer_aborts_its_generation(running: RunningCluster) -> None:
    impatient = running.client().with_options(timeout=1.0)
    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Hello"}],
            max_completion_tokens=6000,
            extra_body={"ignore_eos": True},
        )
    assert engines_are_idle_within(running, 1.0)


def test_a_revoked_key_is_refused_within_a_second(running: RunningCluster) -> None:
    with running.admin() as admin:
        made = admin.post(f"/admin/v1/organizations/{running.beta_org}/keys", json={"name": "short-lived"}).json()
        models = running.raw(made["key"])
        assert models.get("/v1/models").status_code == 200
        assert admin.delete(f"/admin/v1/keys/{made['id']}").status_code == 200
        revoked = time.monotonic()
        while models.get("/v1/models").status_code == 200:
            assert time.monotonic() - revoked < 1.0, "the key still works"
    answer = models.get("/v1/models")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_a_private_model_does_not_exist_for_others(running: RunningCluster) -> None:
    assert [model.id for model in running.client().models.list()] == [MODEL]
    with pytest.raises(openai.NotFoundError) as caught:
        running.client().chat.completions.create(model="bench-qwen3", messages=[{"role": "user", "content": "x"}])
    unknown = running.raw().post(
        "/v1/chat/completions", json={"model": "bench-qwen9", "messages": [{"role": "user", "content": "x"}]}
    )
    assert unknown.json()["error"]["code"] == caught.value.code == "model_not_found"
    own = running.client(running.beta_key).chat.completions.create(
        model="bench-qwen3", messages=[{"role": "user", "content": "x"}], max_completion_tokens=2
    )
    assert own.usage is not None


@pytest.mark.parametrize(
    ("header", "code"), [("OpenAI-Organization", "mismatched_organization"), ("OpenAI-Project", "mismatched_project")]
)
def test_headers_cannot_widen_what_a_key_may_do(running: RunningCluster, header: str, code: str) -> None:
    foreign = running.beta_org if header == "OpenAI-Organization" else "proj_00000000000000000000000000000000"
    answer = running.raw().get("/v1/models", headers={header: foreign})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)


def test_admin_paths_need_an_admin_key_and_admin_keys_run_nothing(running: RunningCluster) -> None:
    assert running.raw().get("/admin/v1/organizations").status_code == 403
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    assert running.admin().post("/v1/chat/completions", json=body).status_code == 403


def test_no_key_no_answer(running: RunningCluster) -> None:
    with running.raw() as client:
        del client.headers["Authorization"]
        answer = client.post("/v1/chat/completions", json={"model": MODEL, "messages": []})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]


def test_thirty_two_streams_at_once_all_finish(running: RunningCluster) -> None:
    def one(number: int) -> str | None:
        *_, last = running.client().chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": f"My name is Ada{number}."}], stream=True, max_completion_tokens=60
        )
        return last.choices[0].finish_reason

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert set(pool.map(one, range(32))) <= {"stop", "length"}
