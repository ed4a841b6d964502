"""The loop on a real cluster: a teacher's stored answers, evals, a fine-tuning job of a student, and the tuned student served.

The models are those of ``models/tuning_demo``: the student has learned the task's parts and never the task.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models.tuning_demo import shop, text
from models.tuning_demo.make import STUDENT, TEACHER
from tests.e2e.conftest import SharedCluster
from tests.e2e.tuning_cluster import LACKING, WHY_SKIPPED, TuningCluster, exact_match, passed, tiny_model, tuned, tuning_cluster

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.tuning,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(LACKING), reason=WHY_SKIPPED),
]

logger = logging.getLogger(__name__)

TASK = {"task": "sort"}
TAUGHT, HELD_OUT = 300, 60
#: The recipe's rate is for models of billions of parameters.
EPOCHS, BATCH, MULTIPLIER = 2, 16, 25.0
EPOCHS_OF_THE_COMMAND = 4
QUESTION = [{"role": "system", "content": shop.INSTRUCTION}, {"role": "user", "content": "{{item.message}}"}]
BEFORE_AT_MOST, AFTER_AT_LEAST = 0.10, 0.80


@pytest.fixture(scope="module")
def taught() -> tuple[shop.Customer, ...]:
    """Messages whose answers the teacher gives; none that it has learned from."""
    return shop.customers(77, TAUGHT, other_than=text.lessons())


@pytest.fixture(scope="module")
def held_out(taught: tuple[shop.Customer, ...]) -> tuple[shop.Customer, ...]:
    """Messages that no model has seen."""
    return shop.customers(78, HELD_OUT, other_than=text.lessons() + taught)


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, shared: SharedCluster, taught: tuple[shop.Customer, ...]
) -> Iterator[TuningCluster]:
    """Teacher and student, of which the student takes adapters; the teacher's answers are stored in it."""
    shared.stop()
    models = [tiny_model(TEACHER), tiny_model(STUDENT, adapters={"enabled": True, "max_loaded": 4, "max_running": 1})]
    with tuning_cluster(tmp_path_factory.mktemp("tuning"), models) as running:
        client = running.client()

        def ask(customer: shop.Customer) -> None:
            messages = shop.task_row(customer)["prompt"]
            client.chat.completions.create(
                model=TEACHER, messages=messages, temperature=0, max_completion_tokens=64, store=True, metadata=TASK
            )

        with ThreadPoolExecutor(16) as asking:
            list(asking.map(ask, taught))
        yield running


def items_of(customers: tuple[shop.Customer, ...], path: Path) -> Path:
    rows = [{"item": {"message": customer.text, "answer": customer.sorted}} for customer in customers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_student_learns_its_teachers_stored_answers(
    cluster: TuningCluster, held_out: tuple[shop.Customer, ...], tmp_path: Path
) -> None:
    client = cluster.client()
    eval_id = exact_match(client, "sorting", "message")
    items = cluster.upload_items(items_of(held_out, tmp_path / "items.jsonl"))
    rates = {model: passed(client, eval_id, model, QUESTION, items) for model in (TEACHER, STUDENT)}
    assert rates[TEACHER] >= AFTER_AT_LEAST
    assert rates[STUDENT] <= BEFORE_AT_MOST

    exported: Any = client.post("/chat/completions/export", body={"model": TEACHER, "metadata": TASK}, cast_to=object)
    assert exported["summary"]["examples"] == TAUGHT
    job = tuned(
        client,
        STUDENT,
        exported["file"]["id"],
        "shop",
        n_epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate_multiplier=MULTIPLIER,
    )
    steps = [event.data for event in client.fine_tuning.jobs.list_events(job.id, limit=100) if event.type == "metrics"]
    assert len(steps) == EPOCHS * -(-TAUGHT // BATCH)
    last: Any = steps[0]
    assert last["train_loss"] < 0.1
    assert [len(client.files.content(file).text.splitlines()) for file in job.result_files] == [1 + len(steps)]
    model = job.fine_tuned_model
    assert model is not None
    assert model in [each.id for each in client.models.list()]

    after = passed(client, eval_id, model, QUESTION, items)
    logger.info("exact match of %d held-out messages: %s", HELD_OUT, rates | {model: after})
    assert after >= AFTER_AT_LEAST

    customer = shop.customers(79, 1, other_than=text.lessons() + held_out)[0]
    messages = shop.task_row(customer)["prompt"]
    whole = client.chat.completions.create(model=model, messages=messages, temperature=0)
    with client.chat.completions.stream(model=model, messages=messages, temperature=0) as stream:
        streamed = stream.get_final_completion()
    base = client.chat.completions.create(model=STUDENT, messages=messages, temperature=0, max_completion_tokens=64)
    answers = [each.choices[0].message.content for each in (whole, streamed, base)]
    assert answers[0] == answers[1] != answers[2]
    assert set(json.loads(answers[0] or "")) == {"intent", "item", "urgent"}


def test_one_command_distils_and_reports(cluster: TuningCluster, held_out: tuple[shop.Customer, ...], tmp_path: Path) -> None:
    messages = tmp_path / "messages.json"
    messages.write_text(json.dumps(QUESTION))
    done = cluster.ossature(
        *("distill", "--teacher", TEACHER, "--student", STUDENT, "--from", "metadata.task=sort", "--suffix", "one-command"),
        *("--eval", exact_match(cluster.client(), "sorting", "message")),
        *("--items", str(items_of(held_out, tmp_path / "items.jsonl"))),
        *("--messages", str(messages), "--seed", "5", "--report", str(tmp_path / "report")),
        *("--epochs", str(EPOCHS_OF_THE_COMMAND), "--batch-size", str(BATCH), "--learning-rate-multiplier", str(MULTIPLIER)),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    rates = {role: run["pass_rate"]["estimate"] for role, run in report["runs"].items()}
    logger.info("exact match of %d held-out messages: %s", HELD_OUT, rates)
    assert rates["before"] <= BEFORE_AT_MOST
    assert rates["after"] >= AFTER_AT_LEAST
    assert (report["verdict"], report["training"]["examples"], report["learned_items"]) == ("better", TAUGHT, 0)
    model = done.stdout.strip()
    answer = cluster.client().chat.completions.create(
        model=model, messages=shop.task_row(held_out[0])["prompt"], temperature=0, max_completion_tokens=64
    )
    assert set(json.loads(answer.choices[0].message.content or "")) == {"intent", "item", "urgent"}
