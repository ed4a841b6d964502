"""Images on their way to the engine: what models see, what is fetched, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cluster.config.settings.images import ChatImageSettings
from cluster.config.settings.models import ModelSettings
from cluster.engine.contract import Frame
from cluster.errors import DeadlineExceeded, InvalidRequest
from cluster.images.fetch import ImageFetcher
from cluster.inference.chat_images import ChatImages
from cluster.inference.requests.chat import ChatCompletionRequest
from tests.unit.fine_tuning.samples import data_url, picture
from tests.unit.images.fake_web import FakeWeb, respond
from tests.unit.inference.test_cluster_inference import ALICE, CALL, USAGE, Inside

WHOLE = [Frame(payloads=[b'{"id":"x","object":"chat.completion"}'], usage=USAGE)]
PNG = picture()
LOCAL: dict[str, Any] = {"allowed_networks": "127.0.0.1/32", "any_port": True, "fetch_attempts": 1}


def seeing(settings: ChatImageSettings | None = None, **options: Any) -> Inside:
    settings = settings or ChatImageSettings()
    models = [ModelSettings(id="m", source="x", image_input=True), ModelSettings(id="blind", source="x")]
    return Inside(WHOLE, models=models, images=ChatImages(settings, ImageFetcher(settings)), **options)


def chat(*urls: str, model: str = "m") -> ChatCompletionRequest:
    parts = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}} for url in urls]
    messages = [{"role": "user", "content": [{"type": "text", "text": "Look."}, *parts]}, {"role": "user", "content": "Well?"}]
    return ChatCompletionRequest.parse({"model": model, "messages": messages})


async def sent(inside: Inside, request: ChatCompletionRequest) -> list[str]:
    """The URLs that the engine got."""
    await inside.inference.complete(ALICE, request, CALL)
    (engine_request,) = inside.relay.requests
    content = json.loads(engine_request.body)["messages"][0]["content"]
    return [part["image_url"]["url"] for part in content[1:]]


async def refused(inside: Inside, request: ChatCompletionRequest) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        await inside.inference.complete(ALICE, request, CALL)
    assert inside.relay.requests == []
    assert inside.record.code == "invalid_request"
    return caught.value


async def test_an_image_in_the_request_goes_to_the_engine_as_it_is() -> None:
    assert await sent(seeing(), chat(data_url(PNG))) == [data_url(PNG)]


async def test_an_image_on_the_web_is_fetched_and_put_in_its_place() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, 200, PNG if path == "/png" else picture("JPEG"))

    async with FakeWeb(answer).running() as web:
        inside = seeing(ChatImageSettings(**LOCAL))
        urls = await sent(inside, chat(web.url("/png"), data_url(PNG), web.url("/jpeg")))
    assert urls == [data_url(PNG), data_url(PNG), data_url(picture("JPEG"), "image/jpeg")]


async def test_a_model_that_does_not_see_says_so() -> None:
    error = await refused(seeing(), chat(data_url(PNG), model="blind"))
    assert (error.param, error.code) == ("messages.0.content.1.type", "unsupported_value")
    assert error.message == "Unsupported value for 'messages.0.content.1.type': the model 'blind' does not take 'image_url' parts."


async def test_where_no_model_sees_no_image_is_fetched() -> None:
    error = await refused(Inside(WHOLE), chat("http://127.0.0.1:9/a.png"))
    assert error.code == "unsupported_value"


@pytest.mark.parametrize(
    ("urls", "param", "code"),
    [
        ([data_url(b"no image")], "messages.0.content.1.image_url.url", "invalid_image_format"),
        ([data_url(PNG), "http://169.254.169.254/latest"], "messages.0.content.2.image_url.url", "forbidden_url"),
        (["http://localhost/a.png"], "messages.0.content.1.image_url.url", "forbidden_url"),
        (["file:///etc/passwd"], "messages.0.content.1.image_url.url", "invalid_image_url"),
        (["data:image/png;base64,!"], "messages.0.content.1.image_url.url", "invalid_image_url"),
        ([data_url(picture(size=(100, 100)))], "messages.0.content.1.image_url.url", "image_too_large"),
        ([data_url(picture("BMP", size=(30, 30)))], "messages.0.content.1.image_url.url", "invalid_image_format"),
        ([data_url(PNG)] * 4, "messages.0.content.4.image_url.url", "invalid_value"),
    ],
    ids=["no image", "metadata service", "loopback", "file", "no base64", "pixels", "bmp", "too many"],
)
async def test_bad_images_are_refused_by_field(urls: list[str], param: str, code: str) -> None:
    error = await refused(seeing(ChatImageSettings(max_images=3, max_image_pixels=5000)), chat(*urls))
    assert (error.param, error.code) == (param, code)


async def test_a_cluster_that_fetches_nothing_says_so() -> None:
    error = await refused(seeing(ChatImageSettings(fetch=False)), chat(data_url(PNG), "https://example.com/a.png"))
    assert (error.param, error.code) == ("messages.0.content.2.image_url.url", "unsupported_value")
    assert await sent(seeing(ChatImageSettings(fetch=False)), chat(data_url(PNG))) == [data_url(PNG)]


async def test_all_images_together_have_a_limit() -> None:
    png = picture("PNG", size=(40, 40), compress_level=0)
    assert len(png) > 4000
    error = await refused(seeing(ChatImageSettings(max_total_bytes=6000)), chat(data_url(png), data_url(png)))
    assert error.param == "messages.0.content.2.image_url.url"
    assert "together have more than 6000 bytes" in error.message


async def test_images_that_do_not_come_end_with_the_deadline() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with FakeWeb(answer).running() as web:
        inside = seeing(ChatImageSettings(**LOCAL), timeout_s=0.3)
        with pytest.raises(DeadlineExceeded, match="before its images were here"):
            await inside.inference.complete(ALICE, chat(web.url()), CALL)
    assert inside.record.code == "deadline_exceeded"
