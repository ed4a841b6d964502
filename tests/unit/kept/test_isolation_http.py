"""Every route about what an organization has: to others it is not there, and stays as it is."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from cluster.edges.http.routes import Route
from cluster.files.model import Purpose
from tests.unit.eval_runs.bench import CUSTOM, EXACT, row
from tests.unit.kept.scene import Scene
from tests.unit.kept.things import Things, seen, things
from tests.unit.storage.served import GLOBEX, KEYS

STRANGERS = pytest.mark.parametrize("key", ["sk-globex", "sk-acme-other"])
NOT_FOUND = {
    "completion_id": "completion_not_found",
    "file_id": "file_not_found",
    "eval_id": "eval_not_found",
    "job_id": "fine_tuning_job_not_found",
}
RUN_NOT_FOUND = {"eval_not_found", "eval_run_not_found"}
"""Which of the two ids is not the caller's is told by some routes, and says nothing."""

BODIES: dict[str, Any] = {
    "/v1/chat/completions/{completion_id}": {"metadata": {"stolen": "1"}},
    "/v1/evals/{eval_id}": {"name": "stolen"},
    "/v1/evals/{eval_id}/runs": {
        "data_source": {"type": "jsonl", "source": {"type": "file_content", "content": [row("a")]}},
    },
}
"""Requests that would be done if the things were the caller's own."""


def routes(scene: Scene) -> list[Route]:
    """Those with an id in their address, of everything that is kept."""
    storage = scene.served.storage
    kept: list[Any] = [
        storage.stored_endpoints(),
        storage.file_endpoints(),
        *storage.eval_endpoints(scene.served.inference, scene.served.jobs),
        storage.fine_tuning_endpoints(),
    ]
    return [route for endpoints in kept for route in endpoints.routes() if "{" in route.path]


def address(route: Route, made: Things) -> str:
    ids = {
        "completion_id": made.completion_id,
        "file_id": made.evals_file,
        "eval_id": made.eval_id,
        "run_id": made.run_id,
        "output_item_id": made.output_item_id,
        "job_id": made.job_id,
    }
    path = route.path.format_map(ids)
    return f"{path}?baseline={made.run_id}" if path.endswith("/comparison") else path


async def asked(http: httpx.AsyncClient, route: Route, made: Things) -> httpx.Response:
    body = BODIES.get(route.path) if route.method == "POST" else None
    return await http.request(route.method, address(route, made), json=body)


@STRANGERS
async def test_no_route_finds_what_is_somebody_elses(scene: Scene, key: str) -> None:
    made = await things(scene)
    before = await seen(scene, made)
    assert len(routes(scene)) == 26
    async with scene.served.http_client(key) as http:
        for route in routes(scene):
            answer = await asked(http, route, made)
            where = f"{route.method} {route.path}"
            assert answer.status_code == 404, where
            if route.method == "HEAD":
                continue
            code = answer.json()["error"]["code"]
            if "{run_id}" in route.path:
                assert code in RUN_NOT_FOUND, where
            else:
                assert code == next(NOT_FOUND[name] for name in NOT_FOUND if f"{{{name}}}" in route.path), where
        model = f"/v1/models/{made.model_id}"
        expected = 404 if key == "sk-globex" else 200  # a tuned model is its organization's
        assert (await http.get(model)).status_code == expected
        if key == "sk-globex":
            assert (await http.delete(model)).status_code == 404
            assert made.model_id not in (await http.get("/v1/models")).text
    assert await seen(scene, made) == before


async def test_the_same_requests_are_answered_to_their_owner(scene: Scene) -> None:
    """So that the table above is not refused for another reason."""
    made = await things(scene)
    ordered = sorted(routes(scene), key=lambda route: (route.method == "DELETE", -len(route.path)))
    over = {"cancel", "pause", "resume"}
    async with scene.served.http_client() as http:
        for route in ordered:
            answer = await asked(http, route, made)
            ends = route.path.rpartition("/")[2] in over or (route.method, route.path) == (
                "POST",
                "/v1/evals/{eval_id}/runs/{run_id}",
            )
            assert answer.status_code in ({409} if ends else {200, 201}), f"{route.method} {route.path}: {answer.text[:300]}"
        assert (await http.delete(f"/v1/models/{made.model_id}")).status_code == 200


@STRANGERS
async def test_lists_have_nothing_of_somebody_else_and_can_not_begin_there(scene: Scene, key: str) -> None:
    made = await things(scene)
    async with scene.served.http_client(key) as http:
        for path, after in (
            ("/v1/chat/completions", made.completion_id),
            ("/v1/files", made.training_file),
            ("/v1/evals", made.eval_id),
            ("/v1/fine_tuning/jobs", made.job_id),
        ):
            assert (await http.get(path)).json()["data"] == []
            refused = await http.get(path, params={"after": after})
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "after"), path
        assert (await http.get("/v1/chat/completions/export")).text == ""
        filters = (await http.get("/v1/chat/completions", params={"metadata[task]": "x"})).json()
        assert filters["data"] == []


@STRANGERS
async def test_nobody_tunes_on_somebody_elses_files(scene: Scene, key: str) -> None:
    made = await things(scene)
    own = await scene.training_file(KEYS[key])
    async with scene.served.http_client(key) as http:
        for files, param in (
            ({"training_file": made.training_file}, "training_file"),
            ({"training_file": own, "validation_file": made.training_file}, "validation_file"),
        ):
            refused = await http.post("/v1/fine_tuning/jobs", json={"model": "demo", **files})
            error = refused.json()["error"]
            assert (refused.status_code, error["param"], error["code"]) == (400, param, "file_not_found")
        assert (await http.get("/v1/fine_tuning/jobs")).json()["data"] == []


@STRANGERS
async def test_nobody_evaluates_on_somebody_elses_files_and_completions(scene: Scene, key: str) -> None:
    made = await things(scene)
    sources: list[dict[str, Any]] = [
        {"type": "jsonl", "source": {"type": "file_id", "id": made.evals_file}},
        {"type": "completions", "model": "demo", "input_messages": ITEM, "source": {"type": "file_id", "id": made.evals_file}},
    ]
    async with scene.served.http_client(key) as http:
        eval_id = (await http.post("/v1/evals", json={"data_source_config": CUSTOM, "testing_criteria": [EXACT]})).json()["id"]
        runs = f"/v1/evals/{eval_id}/runs"
        for source in sources:
            refused = await http.post(runs, json={"data_source": source})
            error = refused.json()["error"]
            assert (refused.status_code, error["param"], error["code"]) == (400, "data_source.source.id", "file_not_found")
        started = (await http.post(runs, json={"data_source": {"type": "completions", "source": STORED}})).json()["id"]
        await scene.work()
        run = (await http.get(f"{runs}/{started}")).json()
        assert (run["status"], run["error"]["code"]) == ("failed", "no_items")
        compared = await http.get(f"{runs}/{started}/comparison", params={"baseline": made.run_id})
        assert (compared.status_code, compared.json()["error"]["code"]) == (400, "eval_run_not_found")


async def test_nobody_asks_grades_with_or_tunes_somebody_elses_model(scene: Scene) -> None:
    made = await things(scene)
    checkpoint = f"{made.model_id}:ckpt-step-1"
    own = await scene.training_file(GLOBEX)
    async with scene.served.http_client("sk-globex") as http:
        for model in (made.model_id, checkpoint):
            chat = {"model": model, "messages": [{"role": "user", "content": "x"}]}
            await _unknown(http, "/v1/chat/completions", chat, 404, "model")
            await _unknown(http, "/v1/completions", {"model": model, "prompt": "x"}, 404, "model")
            await _unknown(http, "/v1/fine_tuning/jobs", {"model": model, "training_file": own}, 400, "model")
            eval_id = (await http.post("/v1/evals", json={"data_source_config": CUSTOM, "testing_criteria": [EXACT]})).json()["id"]
            source = {"type": "completions", "model": model, "input_messages": ITEM, "source": INLINE}
            await _unknown(http, f"/v1/evals/{eval_id}/runs", {"data_source": source}, 400, "data_source.model")
            for kind, more in (("label_model", {"labels": ["a"], "passing_labels": ["a"]}), ("score_model", {})):
                judge = {"type": kind, "name": "j", "model": model, "input": [{"role": "user", "content": "x"}], **more}
                body = {"data_source_config": CUSTOM, "testing_criteria": [EXACT, judge]}
                await _unknown(http, "/v1/evals", body, 400, "testing_criteria.1.model")


async def test_no_spelling_of_an_id_leads_to_another_file(scene: Scene) -> None:
    """Nor does a path."""
    made = await things(scene)
    file_id = await scene.upload(json.dumps(row("a")).encode(), Purpose.EVALS, GLOBEX)
    async with scene.served.http_client() as http:
        for name in (file_id, made.evals_file.upper(), f"../{GLOBEX.org_id}/{file_id}", f"{file_id}%00"):
            source = {"type": "jsonl", "source": {"type": "file_id", "id": name}}
            refused = await http.post(f"/v1/evals/{made.eval_id}/runs", json={"data_source": source})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "file_not_found"), name


ITEM = {"type": "template", "template": [{"role": "user", "content": "{{item.question}}"}]}
INLINE = {"type": "file_content", "content": [row("a")]}
STORED = {"type": "stored_completions"}


async def _unknown(http: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, param: str) -> None:
    """As for a model that does not exist."""
    refused = await http.post(path, json=body)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (status, param), (path, error)
    assert error["code"] in ("model_not_found", "model_not_available")
