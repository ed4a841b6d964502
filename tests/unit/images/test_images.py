"""Images are decoded before they are trained on, and the web is reached within limits."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from cluster.config.settings.images import ImageSettings
from cluster.errors import InvalidRequest
from cluster.images.addresses import Address
from cluster.images.decode import data_of, decoded
from cluster.images.encoded import EncodedImage
from cluster.images.fetch import ImageFetcher
from cluster.images.gather import gather_images
from cluster.images.place import ImagePlace
from cluster.images.refused import ImageRefused
from tests.unit.fine_tuning.samples import data_url, picture
from tests.unit.images.fake_web import FakeWeb, respond

SETTINGS = ImageSettings()
SMALL = ImageSettings(max_image_bytes=1024, max_image_pixels=1024)
LOCAL = ImageSettings(allowed_networks="127.0.0.1/32", any_port=True, fetch_timeout_s=2.0, fetch_attempts=1, max_image_bytes=4096)


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_the_three_formats(kind: str, media_type: str) -> None:
    data = picture(kind)
    assert decoded(data, SETTINGS) == EncodedImage(data, media_type)


def test_transparency() -> None:
    assert decoded(picture("PNG", "RGBA"), SETTINGS).media_type == "image/png"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (picture("GIF"), "it can't be decoded as JPEG, PNG or WEBP."),
        (picture("BMP"), "it can't be decoded as JPEG, PNG or WEBP."),
        (b"", "it can't be decoded as JPEG, PNG or WEBP."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it can't be decoded as JPEG, PNG or WEBP."),
        (picture("PNG", size=(64, 64))[:60], "it can't be decoded as JPEG, PNG or WEBP."),
        (picture("JPEG", size=(64, 64))[:-40], "it can't be decoded as JPEG, PNG or WEBP."),
        (picture("PNG", "L"), "the image's colour mode is L; it must be RGB or RGBA."),
        (picture("PNG", "P"), "the image's colour mode is P; it must be RGB or RGBA."),
        (picture("JPEG", "CMYK"), "the image's colour mode is CMYK; it must be RGB or RGBA."),
    ],
    ids=["gif", "bmp", "empty", "svg", "cut png", "cut jpeg", "grey", "palette", "cmyk"],
)
def test_what_is_no_such_image(data: bytes, reason: str) -> None:
    with pytest.raises(ImageRefused) as refused:
        decoded(data, SETTINGS)
    assert (refused.value.code, refused.value.reason) == ("invalid_image_format", reason)


def test_a_moving_picture() -> None:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageRefused, match="more than one frame"):
        decoded(file.getvalue(), SETTINGS)


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(ImageRefused) as refused:
        decoded(picture("PNG", size=(64, 64)), SMALL)
    assert (refused.value.code, refused.value.reason) == (
        "image_too_large",
        "the image has 64 x 64 pixels; 1024 are allowed.",
    )


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:image/png,abc", "invalid_image_url"),
        ("data:image/png;base64", "invalid_image_url"),
        ("data:image/png;base64,!!!", "invalid_image_url"),
        ("data:image/gif;base64,AAAA", "invalid_image_format"),
        ("data:text/html;base64,AAAA", "invalid_image_format"),
        ("data:;base64,AAAA", "invalid_image_format"),
        ("data:image/png;base64," + "A" * 1372, "image_too_large"),
    ],
)
def test_bad_data_urls(url: str, code: str) -> None:
    with pytest.raises(ImageRefused) as refused:
        data_of(url, SMALL)
    assert refused.value.code == code


# --- from the web ---------------------------------------------------------------------------------------------------------


async def fetched(url: str, settings: ImageSettings = LOCAL, **options: object) -> bytes:
    fetcher = ImageFetcher(settings, **options)  # type: ignore[arg-type]
    try:
        return await fetcher.fetch(url)
    finally:
        await fetcher.close()


async def refusal(url: str, settings: ImageSettings = LOCAL, **options: object) -> tuple[str, str]:
    with pytest.raises(ImageRefused) as refused:
        await fetched(url, settings, **options)
    return refused.value.code, refused.value.reason


async def test_an_image_is_fetched_without_anything_of_ours() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, 200, picture())

    async with FakeWeb(answer).running() as web:
        assert await fetched(web.url("/a.png?x=1#part")) == picture()
        [request] = web.requests
    assert request.startswith("GET /a.png?x=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{web.port}\r\n" in request
    assert not any(name in request.lower() for name in ("cookie", "authorization", "referer"))


async def test_redirects_are_followed_and_counted() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        hops = int(path[1:])
        if hops:
            respond(writer, 302, b"", f"location: /{hops - 1}")
        else:
            respond(writer, 200, b"image")

    async with FakeWeb(answer).running() as web:
        assert await fetched(web.url("/3")) == b"image"
        assert await refusal(web.url("/4")) == ("inaccessible_url", "the image can't be had: it redirects more than 3 times.")


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.2:80/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.2]/",
        "http://0.0.0.0/",
        "http://2130706434/",
        "http://0x7f000002/",
        "http://127.2/",
        "http://10.0.0.1/",
    ],
)
async def test_a_redirect_to_an_inner_address_is_not_followed(target: str) -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, 302, b"", f"location: {target}")

    async with FakeWeb(answer).running() as web:
        assert await refusal(web.url()) == ("forbidden_url", "its host is not on the public internet.")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://example.com/", "ftp://example.com/a", "unix:/run/x", "//@/"])
async def test_a_redirect_to_another_scheme_is_not_followed(target: str) -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, 302, b"", f"location: {target}")

    async with FakeWeb(answer).running() as web:
        assert (await refusal(web.url()))[0] == "invalid_image_url"


async def test_inner_addresses_are_refused_by_default() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, 200, picture())

    settings = ImageSettings(any_port=True)
    async with FakeWeb(answer).running() as web:
        assert (await refusal(web.url(), settings))[0] == "forbidden_url"
        assert (await refusal(web.url(host="localhost"), settings))[0] == "forbidden_url"
        assert web.requests == []


async def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to() -> None:
    """Whoever answers for the name gives a good address first, and an inner one to whoever asks again."""
    asked = 0

    async def rebinding(host: str, port: int) -> list[Address]:
        nonlocal asked
        asked += 1
        return [ipaddress.ip_address("127.0.0.1" if asked == 1 else "10.0.0.1")]

    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, 200, b"image")

    async with FakeWeb(answer).running() as web:
        assert await fetched(web.url(host="images.example"), resolver=rebinding) == b"image"
        assert f"Host: images.example:{web.port}" in web.requests[0]
    assert asked == 1


async def test_one_inner_address_among_several_forbids_the_name() -> None:
    async def resolver(host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("10.0.0.1")]

    assert await refusal("http://images.example/a", resolver=resolver) == (
        "forbidden_url",
        "its host is not on the public internet.",
    )


async def test_too_large_by_announcement_and_by_what_comes() -> None:
    async def announced(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, 200, b"x" * 5000)

    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    for answer in (announced, endless):
        async with FakeWeb(answer).running() as web:
            assert await refusal(web.url()) == ("image_too_large", "the image is larger than 4096 bytes.")


async def test_a_server_that_drips() -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    settings = LOCAL.model_copy(update={"fetch_timeout_s": 0.3})
    async with FakeWeb(answer).running() as web:
        assert await refusal(web.url(), settings) == (
            "inaccessible_url",
            "the image can't be had: it did not arrive within 0.3 seconds.",
        )


async def test_a_server_that_fails_is_asked_again() -> None:
    states = iter([503, 200])

    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, next(states), b"image")

    settings = LOCAL.model_copy(update={"fetch_attempts": 2})
    async with FakeWeb(answer).running() as web:
        assert await fetched(web.url(), settings) == b"image"


@pytest.mark.parametrize(("status", "headers"), [(404, ()), (403, ()), (200, ("content-encoding: gzip",))])
async def test_answers_that_are_no_image(status: int, headers: tuple[str, ...]) -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        respond(writer, status, b"no", *headers)

    async with FakeWeb(answer).running() as web:
        assert (await refusal(web.url()))[0] == "inaccessible_url"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://user:secret@example.com/a", "invalid_image_url"),
        ("ftp://example.com/a", "invalid_image_url"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("http://", "invalid_image_url"),
        ("http://exa mple.com/", "invalid_image_url"),
        ("http://example.com\\@10.0.0.1/", "invalid_image_url"),
        ("http://example.com:99999/", "invalid_image_url"),
        ("http://[::1/", "invalid_image_url"),
        ("a.png", "invalid_image_url"),
        ("http://example.com/" + "a" * 9000, "invalid_image_url"),
        ("http://example.com:22/", "forbidden_url"),
        ("http://example.com:6379/", "forbidden_url"),
    ],
)
async def test_bad_urls(url: str, code: str) -> None:
    assert (await refusal(url, SETTINGS))[0] == code


async def test_every_bad_image_of_an_example_is_named() -> None:
    good = data_url(picture())
    places = [ImagePlace("a", good), ImagePlace("b", "data:image/png;base64,AAAA"), ImagePlace("c", "ftp://x/")]
    fetcher = ImageFetcher(SETTINGS)
    try:
        found = await gather_images(places, fetcher, SETTINGS)
        assert [(each.param, each.code) for each in found if isinstance(each, InvalidRequest)] == [
            ("b", "invalid_image_format"),
            ("c", "invalid_image_url"),
        ]
        assert await gather_images(places[:1], fetcher, SETTINGS) == [EncodedImage(picture(), "image/png")]
    finally:
        await fetcher.close()
