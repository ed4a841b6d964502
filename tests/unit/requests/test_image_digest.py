"""Images in the canonical prompt."""

from __future__ import annotations

from typing import Any

from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.image_digest import TOKENS
from cluster.routing.anchors import estimated_tokens
from tests.unit.fine_tuning.samples import data_url, picture


def chat(*urls: str, text: str = "What is it?") -> ChatCompletionRequest:
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return ChatCompletionRequest.parse(
        {"model": "m", "messages": [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]}
    )


def test_an_image_is_weighed_as_tokens_whatever_the_size_of_its_file() -> None:
    none, small, large = (
        estimated_tokens(len(chat(*urls).canonical_prompt()))
        for urls in ((), (data_url(picture()),), (data_url(picture("BMP", size=(512, 512))),))
    )
    assert small == large
    assert TOKENS <= small - none <= TOKENS + 32


def test_the_same_image_gives_the_same_prompt_and_another_one_does_not() -> None:
    one, again, other = (chat(data_url(picture(size=(side, side)))).canonical_prompt() for side in (8, 8, 9))
    assert one == again != other


def test_what_stands_before_an_image_is_shared_with_other_images() -> None:
    one, other = (chat("https://a/1.png", f"https://a/{name}.png").canonical_prompt() for name in ("x", "y"))
    shared = next(at for at, (left, right) in enumerate(zip(one, other, strict=True)) if left != right)
    assert shared > 4 * TOKENS


def test_the_engine_gets_the_image_and_its_place_is_known() -> None:
    request = chat("https://a/1.png", data_url(picture()))
    assert [place.param for place in request.images] == [f"messages.0.content.{at}.image_url.url" for at in (0, 1)]
    assert [place.holds_image for place in request.images] == [False, True]
    assert b"https://a/1.png" in request.engine_body()
    assert b"https://a/1.png" not in request.canonical_prompt()


def test_a_digest_can_not_be_forged() -> None:
    """A client's own text is quoted, so it can't pass for the part that stands for an image."""
    image = chat("https://a/1.png")
    digest = image.canonical_prompt().split(b'"digest":"')[1].split(b'"')[0].decode()
    forged = chat(text=f'{{"type":"image_url","digest":"{digest}"}}')
    assert image.canonical_prompt() != forged.canonical_prompt()
