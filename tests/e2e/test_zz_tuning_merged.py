"""A job that trains every weight, and the cluster that is started again with what it has made."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from models.tuning_demo import shop, text
from models.tuning_demo.make import STUDENT
from tests.e2e.conftest import SharedCluster
from tests.e2e.tuning_cluster import LACKING, WHY_SKIPPED, TuningCluster, tiny_model, tuned, tuning_cluster

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.tuning,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(LACKING), reason=WHY_SKIPPED),
]

logger = logging.getLogger(__name__)

EXAMPLES = 160
HELD_OUT = 10
#: The recipe's rate is for models of billions of parameters.
HYPERPARAMETERS = {"n_epochs": 2, "batch_size": 16, "learning_rate_multiplier": 100.0}
ENGINE_START_S = 300.0
MERGED = {"tuned_models": {"max_merged_models": 1}}


def examples(path: Path) -> Path:
    """Customers' messages with the right answers, as a training file."""
    rows = [shop.task_row(customer) for customer in shop.customers(77, EXAMPLES, other_than=text.lessons())]
    path.write_text("".join(json.dumps({"messages": row["prompt"] + row["completion"]}) + "\n" for row in rows))
    return path


def another_organization(cluster: TuningCluster) -> str:
    """A key of it."""
    admin = httpx.Client(base_url=cluster.http, headers={"Authorization": f"Bearer {cluster.admin_key}"}, trust_env=False)
    org_id = admin.post("/admin/v1/organizations", json={"name": "Globex"}).raise_for_status().json()["id"]
    key: str = admin.post(f"/admin/v1/organizations/{org_id}/keys", json={"name": "k"}).raise_for_status().json()["key"]
    return key


def ask(client: openai.OpenAI, model: str, customer: shop.Customer) -> str:
    messages = shop.task_row(customer)["prompt"]
    done = client.chat.completions.create(model=model, messages=messages, temperature=0, max_completion_tokens=64)
    return done.choices[0].message.content or ""


def wait_until_served(client: openai.OpenAI, model: str, customer: shop.Customer) -> str:
    """The first answer. The cluster's start does not wait for this model."""
    deadline_s = time.monotonic() + ENGINE_START_S
    while True:
        try:
            return ask(client, model, customer)
        except openai.InternalServerError as error:
            if error.status_code != 503 or time.monotonic() > deadline_s:
                raise
            time.sleep(1.0)


def assert_unknown(client: openai.OpenAI, model: str, customer: shop.Customer) -> None:
    """To an organization whose it isn't; a made-up name of its own brings the same words."""
    assert model not in [each.id for each in client.models.list()]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(model)
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client, model, customer)
    made_up = model[:-1] + ("0" if model[-1] != "0" else "1")
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(client, made_up, customer)
    assert refused.value.message.replace(model, "?") == unknown.value.message.replace(made_up, "?")


def test_what_was_trained_whole_is_served_by_the_next_start_to_its_organization(
    shared: SharedCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared.stop()
    folder = tmp_path_factory.mktemp("merged")
    models = [tiny_model(STUDENT, tuning={"weights": "full"})]
    customers = shop.customers(78, HELD_OUT, other_than=text.lessons())
    with tuning_cluster(folder, models, **MERGED) as cluster:
        client = cluster.client()
        stranger = another_organization(cluster)
        file = cluster.client(strict=False).files.create(file=examples(folder / "train.jsonl"), purpose="fine-tune").id
        job = tuned(client, STUDENT, file, "whole", **HYPERPARAMETERS)
        said = {event.message: event.data for event in client.fine_tuning.jobs.list_events(job.id, limit=100)}
        assert any("a model of its own" in message and "every weight is trained" in message for message in said)
        [parity] = [data["parity"] for data in said.values() if isinstance(data, dict) and "parity" in data]
        assert parity["reason"] == "same_as_tuned"
        assert any("next start" in message and "ossature serve" in message for message in said)
        assert client.fine_tuning.jobs.checkpoints.list(job.id).data == []
        model: str = job.fine_tuned_model
        assert model in [each.id for each in client.models.list()]
        with pytest.raises(openai.InternalServerError) as not_yet:
            ask(client, model, customers[0])
        body: Any = not_yet.value.body
        assert body["code"] == "model_not_started"
        before = [ask(client, STUDENT, customer) for customer in customers]

    with tuning_cluster(folder, models, **MERGED) as cluster:
        client = cluster.client()
        wait_until_served(client, model, customers[0])
        after = [ask(client, model, customer) for customer in customers]
        right = sum(answer == customer.sorted for answer, customer in zip(after, customers, strict=True))
        logger.info("parity %s; %d of %d held-out messages sorted rightly", parity, right, HELD_OUT)
        assert all(one != other for one, other in zip(before, after, strict=True))
        assert right >= HELD_OUT // 2
        assert [ask(client, STUDENT, customer) for customer in customers] == before
        assert_unknown(cluster.client(stranger), model, customers[0])
        client.models.delete(model)
        with pytest.raises(openai.NotFoundError):
            ask(client, model, customers[0])
