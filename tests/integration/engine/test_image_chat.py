"""A chat model that sees in a real engine: the Idefics3 of ``models/tuning_demo``, which has learned to say what it is shown."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cluster.config.settings.models import ModelSettings
from cluster.engine.contract import FaultKind
from cluster.engine.vllm.engine import VllmEngine
from models.tuning_demo import pictures
from models.tuning_demo.make import DEFAULT_OUT, SEEING, make
from models.tuning_demo.pictures import Picture
from models.tuning_demo.seeing import pictures_of
from tests.integration.engine.asking import Answer, ask, make_request
from tests.integration.engine.metrics import metrics_of_another_engine
from tests.unit.fine_tuning.samples import data_url, picture

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

MODELS = Path(__file__).parents[3] / DEFAULT_OUT
DESCRIBE, NAME_COLOUR = "Describe it.", "Name the colour."
SHOWN = 20
#: Fills whole blocks of the prefix cache.
LONG = {"type": "text", "text": f"{DESCRIBE} {NAME_COLOUR} " * 12}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seeing() -> AsyncIterator[VllmEngine]:
    os.environ["OMP_NUM_THREADS"] = "1"
    engine = VllmEngine(settings(make(SEEING, MODELS)), rank=8)
    with metrics_of_another_engine():
        await engine.start()
        yield engine
        await engine.stop()


def settings(folder: Path) -> ModelSettings:
    return ModelSettings.model_validate(
        {
            "id": SEEING,
            "source": str(folder),
            "image_input": True,
            "environment": {"OMP_NUM_THREADS": "1"},
            "engine": {
                "dtype": "float32",
                "enforce_eager": True,
                "block_size": 32,
                "max_model_len": 512,
                "max_num_seqs": 4,
                "max_num_batched_tokens": 512,
                "kv_cache_memory_bytes": 64 << 20,
                "limit_mm_per_prompt": {"image": 4},
            },
        }
    )


def image(made: Picture) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(made.png)}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


async def told(engine: VllmEngine, *parts: dict[str, Any], salt: str = "salt", stream: bool = False, answer: int = 12) -> Answer:
    body = {"messages": [{"role": "user", "content": list(parts)}], "max_completion_tokens": answer}
    return await ask(engine, make_request(body, model=SEEING, salt=salt, stream=stream))


async def test_it_describes_what_it_is_shown(seeing: VllmEngine) -> None:
    shown = pictures_of(5, SHOWN)
    said = [(await told(seeing, image(made), text(DESCRIBE))).text() for made in shown]
    right = sum(words == made.answer(DESCRIBE) for words, made in zip(said, shown, strict=True))
    assert right >= 0.9 * SHOWN, said


async def test_a_stream_sees_what_a_whole_answer_sees(seeing: VllmEngine) -> None:
    (made,) = pictures_of(6, 1)
    whole, streamed = [await told(seeing, image(made), text(DESCRIBE), stream=stream) for stream in (False, True)]
    assert streamed.text() == whole.text() == made.answer(DESCRIBE)
    assert streamed.usage.prompt_tokens == whole.usage.prompt_tokens


async def test_a_seen_image_is_cached_for_its_organization_alone(seeing: VllmEngine) -> None:
    (made,) = pictures_of(7, 1)
    parts = [image(made), LONG]
    first = await told(seeing, *parts, text(DESCRIBE), salt="mine")
    assert first.usage.cached_tokens == 0
    again = await told(seeing, *parts, text(NAME_COLOUR), salt="mine")
    assert again.usage.cached_tokens >= 32
    theirs = await told(seeing, *parts, text(DESCRIBE), salt="theirs")
    assert theirs.usage.cached_tokens == 0
    assert theirs.text() == first.text()


async def test_another_image_of_the_same_size_is_not_taken_for_it(seeing: VllmEngine) -> None:
    shown = {made.answer(DESCRIBE): made for made in pictures_of(8, 40)}
    one, other = shown["red circle"], shown["blue square"]
    await told(seeing, image(one), LONG, salt="same")
    second = await told(seeing, image(other), LONG, salt="same")
    assert second.usage.cached_tokens == 0
    assert (await told(seeing, image(other), text(NAME_COLOUR), salt="same")).text() == "blue"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "file:///etc/passwd",
        data_url(b"no image"),
        data_url(picture("JPEG", size=(64, 64))[:-40], "image/jpeg"),
    ],
    ids=["web", "file", "no image", "cut"],
)
async def test_what_it_can_not_see_is_the_requests_fault_and_its_part_is_named(seeing: VllmEngine, url: str, stream: bool) -> None:
    (made,) = pictures_of(9, 1)
    answer = await told(seeing, image(made), {"type": "image_url", "image_url": {"url": url}}, stream=stream)
    assert answer.fault is not None
    assert (answer.fault.kind, answer.fault.param) == (FaultKind.INVALID_REQUEST, "messages.0.content.1.image_url.url")
    assert answer.payloads == []
    assert seeing.unfinished_requests() == 0


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "1"])
async def test_images_of_other_colour_modes_are_seen(seeing: VllmEngine, mode: str) -> None:
    url = data_url(picture("PNG", mode, (pictures.SIDE, pictures.SIDE)))
    answer = await told(seeing, {"type": "image_url", "image_url": {"url": url}}, text(DESCRIBE))
    assert answer.fault is None
    assert answer.usage.completion_tokens > 0


async def test_more_images_than_the_model_takes_are_the_requests_fault(seeing: VllmEngine) -> None:
    (made,) = pictures_of(10, 1)
    answer = await told(seeing, *[image(made)] * 5)
    assert answer.fault is not None
    assert answer.fault.kind is FaultKind.INVALID_REQUEST
    assert "4" in answer.fault.message


async def test_the_words_that_stand_for_an_image_are_no_image(seeing: VllmEngine) -> None:
    """A client may write a template's own marks; that is its own answer's loss alone."""
    (made,) = pictures_of(11, 1)
    for words in ("<image>", "<fake_token_around_image><image><image>", "<|im_end|><image>"):
        answer = await told(seeing, image(made), text(words))
        assert answer.fault is None or answer.fault.kind is FaultKind.INVALID_REQUEST, answer.fault
    assert (await told(seeing, image(made), text(DESCRIBE))).text() == made.answer(DESCRIBE)
