"""The loop with pictures on a real cluster: a model that sees, an eval with images, a fine-tuning job, and the tuned model served.

The model is that of ``models/tuning_demo``: it names shapes and colours, and has never catalogued anything.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import openai
import pytest

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, chat_pb2_grpc, message_pb2
from models.tuning_demo.make import SEEING
from models.tuning_demo.pictures import CATALOGUE, Picture
from models.tuning_demo.seeing import pictures_of
from tests.e2e.conftest import SharedCluster
from tests.e2e.tuning_cluster import LACKING, WHY_SKIPPED, TuningCluster, exact_match, passed, tiny_model, tuned, tuning_cluster

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.tuning,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(LACKING), reason=WHY_SKIPPED),
]

logger = logging.getLogger(__name__)

HELD_OUT = pictures_of(78, 100)
FEW, MANY = 100, 1000
BEFORE_AT_MOST, AFTER_AT_LEAST, SHARE_OF_CEILING = 0.10, 0.60, 0.95
#: The recipe's rate is for models of billions of parameters.
FEW_NUMBERS = {"n_epochs": 10, "batch_size": 4, "learning_rate_multiplier": 20.0}
MANY_NUMBERS = {"n_epochs": 5, "batch_size": 12, "learning_rate_multiplier": 15.0}
DESCRIBE = "Describe it."
QUESTION = [
    {
        "role": "user",
        "content": [{"type": "input_image", "image_url": "{{item.image}}"}, {"type": "input_text", "text": CATALOGUE}],
    }
]


def url_of(made: Picture) -> str:
    return f"data:image/png;base64,{base64.b64encode(made.png).decode()}"


def asked(made: Picture, question: str) -> list[Any]:
    parts = [{"type": "image_url", "image_url": {"url": url_of(made)}}, {"type": "text", "text": question}]
    return [{"role": "user", "content": parts}]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, shared: SharedCluster) -> Iterator[TuningCluster]:
    shared.stop()
    seeing = tiny_model(SEEING, image_input=True, adapters={"enabled": True, "max_loaded": 4, "max_running": 1})
    with tuning_cluster(tmp_path_factory.mktemp("seeing"), [seeing]) as running:
        yield running


def uploaded(cluster: TuningCluster, pictures: Sequence[Picture], path: Path) -> str:
    """Training file of these pictures, rightly catalogued; its id."""
    lines = [{"messages": [*asked(made, CATALOGUE), {"role": "assistant", "content": made.catalogued}]} for made in pictures]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return cluster.client().files.create(file=path, purpose="fine-tune").id


def test_a_picture_is_described_whole_streamed_and_kept(cluster: TuningCluster) -> None:
    client = cluster.client()
    for made in pictures_of(90, 5):
        messages = asked(made, DESCRIBE)
        whole = client.chat.completions.create(model=SEEING, messages=messages, temperature=0, store=True)
        with client.chat.completions.stream(model=SEEING, messages=messages, temperature=0) as stream:
            streamed = stream.get_final_completion()
        assert whole.choices[0].message.content == streamed.choices[0].message.content == made.answer(DESCRIBE)
    # In strict mode the client takes assistant messages alone for stored ones.
    kept: Any = cluster.client(strict=False).chat.completions.messages.list(whole.id).data[0]
    assert kept.content_parts[0].image_url.url == url_of(made)


def test_a_picture_is_described_over_grpc(cluster: TuningCluster) -> None:
    (made,) = pictures_of(91, 1)
    parts = [
        message_pb2.ContentPart(image=message_pb2.ImageContent(url=url_of(made))),
        message_pb2.ContentPart(text=DESCRIBE),
    ]
    message = message_pb2.ChatMessage(role=message_pb2.ROLE_USER, content_parts=message_pb2.ContentParts(parts=parts))
    request = chat_pb2.CreateChatCompletionRequest(model=SEEING, messages=[message], temperature=0)
    with grpc.insecure_channel(cluster.grpc) as channel:
        answer = chat_pb2_grpc.ChatServiceStub(channel).CreateChatCompletion(
            request, metadata=[("authorization", f"Bearer {cluster.api_key}")], timeout=60
        )
    assert answer.choices[0].message.content == made.answer(DESCRIBE)


def test_what_can_not_be_seen_is_refused_by_field(cluster: TuningCluster) -> None:
    client = cluster.client()
    for url, code in (
        ("http://169.254.169.254/latest/meta-data", "forbidden_url"),
        ("http://127.0.0.1/a.png", "forbidden_url"),
        ("data:image/png;base64,AAAA", "invalid_image_format"),
    ):
        messages: list[Any] = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model=SEEING, messages=messages)
        assert (refused.value.code, refused.value.param) == (code, "messages.0.content.0.image_url.url")


def test_a_model_learns_from_a_hundred_pictures_nearly_what_a_thousand_teach(cluster: TuningCluster, tmp_path: Path) -> None:
    client = cluster.client()
    eval_id = exact_match(client, "cataloguing", "image")
    rows = [{"item": {"image": url_of(made), "answer": made.catalogued}} for made in HELD_OUT]
    items = tmp_path / "items.jsonl"
    items.write_text("".join(json.dumps(row) + "\n" for row in rows))
    items_id = cluster.upload_items(items)
    rates = {"base": passed(client, eval_id, SEEING, QUESTION, items_id)}
    assert rates["base"] <= BEFORE_AT_MOST

    for count, numbers in ((FEW, FEW_NUMBERS), (MANY, MANY_NUMBERS)):
        file = uploaded(cluster, pictures_of(77, count), tmp_path / f"{count}.jsonl")
        job = tuned(client, SEEING, file, f"pictures-{count}", **numbers)
        assert job.fine_tuned_model is not None
        rates[str(count)] = passed(client, eval_id, job.fine_tuned_model, QUESTION, items_id)
    logger.info("exact match of %d held-out pictures: %s", len(HELD_OUT), rates)
    assert rates[str(FEW)] >= AFTER_AT_LEAST
    assert rates[str(FEW)] >= SHARE_OF_CEILING * rates[str(MANY)]
