"""Images as engines get them: whole, named for their organization, and in the request itself."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from cluster.engine.contract import EngineRequest, Operation
from cluster.engine.vllm import image_input, media
from cluster.engine.vllm.faults import BadPart
from tests.unit.fine_tuning.samples import data_url, picture

KINDS = {image_input.PART: image_input.make_ready}


def part(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}, **more}


def request(*parts: dict[str, Any], salt: str = "salt") -> EngineRequest:
    body = {"model": "m", "messages": [{"role": "system", "content": "Look."}, {"role": "user", "content": list(parts)}]}
    return EngineRequest("chatcmpl-1", Operation.CHAT, msgspec.json.encode(body), stream=False, cache_salt=salt, org_tag="org")


def seen(given: EngineRequest) -> list[dict[str, Any]]:
    content = json.loads(media.ready(given, KINDS).body)["messages"][1]["content"]
    assert isinstance(content, list)
    return content


def test_organizations_names_of_the_same_image_differ() -> None:
    image = part(data_url(picture()))
    (mine,), (again,), (theirs,) = (seen(request(image, salt=salt)) for salt in ("mine", "mine", "theirs"))
    assert mine["uuid"] == again["uuid"] != theirs["uuid"]
    assert mine["image_url"] == theirs["image_url"] == image["image_url"]


def test_different_images_have_different_names() -> None:
    one, other = seen(request(part(data_url(picture())), part(data_url(picture(size=(9, 9))))))
    assert one["uuid"] != other["uuid"]


def test_a_name_that_the_caller_gives_is_not_taken() -> None:
    (only,) = seen(request(part(data_url(picture()), uuid="theirs")))
    assert only["uuid"] != "theirs"


def test_text_stays_as_it_is() -> None:
    text, image = seen(request({"type": "text", "text": "What is it?"}, part(data_url(picture()))))
    assert text == {"type": "text", "text": "What is it?"}
    assert set(image) == {"type", "image_url", "uuid"}


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://example.com/a.png", "must be in the request"),
        ("file:///etc/passwd", "must be in the request"),
        ("", "must be in the request"),
        ("data:image/png;base64,not base64!", "no base64"),
        (data_url(b"no image"), "can't be decoded"),
        (data_url(picture("PNG", size=(64, 64))[:60]), "can't be decoded"),
        (data_url(picture("JPEG", size=(64, 64))[:-40], "image/jpeg"), "can't be decoded"),
    ],
    ids=["web", "file", "empty", "no base64", "no image", "cut png", "cut jpeg"],
)
def test_what_is_no_image_is_refused_with_its_place(url: str, what: str) -> None:
    with pytest.raises(BadPart, match=what) as refused:
        seen(request({"type": "text", "text": "Hm."}, part(url)))
    assert refused.value.param == "messages.1.content.1.image_url.url"


def test_a_part_without_an_image_is_refused() -> None:
    with pytest.raises(BadPart):
        seen(request({"type": "image_url"}))
