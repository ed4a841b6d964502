"""The images of a chat on their way to the engine: fetched here where they are on the web, and looked at by their headers.

Engines fetch nothing: what reaches them has every image in it. Whether one can be decoded to its end they find out themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from cluster.config.settings.images import ChatImageSettings
from cluster.errors import InvalidRequest
from cluster.images.decode import IN_CHATS, inspected
from cluster.images.encoded import EncodedImage
from cluster.images.fetch import ImageFetcher
from cluster.images.gather import gather_images
from cluster.images.place import ImagePlace
from cluster.inference.requests import problems


class ChatImages:
    """One for each gateway. ``fetcher`` is the caller's to close."""

    def __init__(self, settings: ChatImageSettings, fetcher: ImageFetcher) -> None:
        self._settings = settings
        self._fetcher = fetcher

    async def put_into(self, body: bytes, places: Sequence[ImagePlace]) -> bytes:
        """The engine's body of a chat whose images are at ``places``, with data URLs alone.

        Raises :class:`~cluster.errors.InvalidRequest`, naming the field, for the first image that can't be taken.
        """
        settings = self._settings
        if len(places) > settings.max_images:
            what = f"the messages have {len(places)} images; {settings.max_images} are allowed."
            raise problems.invalid(places[settings.max_images].param, what)
        if not settings.fetch:
            for place in places:
                if not place.holds_image:
                    raise problems.unsupported_value(place.param, "this cluster fetches no images: send it as a data URL.")
        found = await gather_images(places, self._fetcher, settings, inspected, IN_CHATS)
        for refused in found:
            if isinstance(refused, InvalidRequest):
                raise refused
        images = [image for image in found if isinstance(image, EncodedImage)]
        total_bytes = 0
        for place, image in zip(places, images, strict=True):
            total_bytes += len(image.data)
            if total_bytes > settings.max_total_bytes:
                raise problems.invalid(place.param, f"the images together have more than {settings.max_total_bytes} bytes.")
        if all(place.holds_image for place in places):
            return body
        return await asyncio.to_thread(_with_data, body, places, images)


def _with_data(body: bytes, places: Sequence[ImagePlace], images: Sequence[EncodedImage]) -> bytes:
    decoded = msgspec.json.decode(body, type=dict[str, Any])
    for part, place, image in zip(_image_parts(decoded), places, images, strict=True):
        if not place.holds_image:
            part["image_url"]["url"] = image.to_url()
    return msgspec.json.encode(decoded)


def _image_parts(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            yield from (part for part in content if part["type"] == "image_url")
