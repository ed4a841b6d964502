"""The images of one request or training example, wherever they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from cluster.config.settings.images import ImageSettings
from cluster.errors import InvalidRequest
from cluster.images.decode import TRAINED_ON, Kinds, data_of, decoded
from cluster.images.encoded import EncodedImage
from cluster.images.fetch import ImageFetcher
from cluster.images.place import ImagePlace
from cluster.images.refused import ImageRefused

Take = Callable[[bytes, ImageSettings, Kinds], EncodedImage]
"""Of ``cluster.images.decode``: how closely an image is looked at."""


async def gather_images(
    places: Sequence[ImagePlace], fetcher: ImageFetcher, settings: ImageSettings, take: Take = decoded, kinds: Kinds = TRAINED_ON
) -> list[EncodedImage] | list[InvalidRequest]:
    """All images in order; or what is wrong with those that can't be taken."""
    found = await asyncio.gather(*(_one(place, fetcher, settings, take, kinds) for place in places))
    refused = [each for each in found if isinstance(each, InvalidRequest)]
    return refused or [each for each in found if isinstance(each, EncodedImage)]


async def _one(
    place: ImagePlace, fetcher: ImageFetcher, settings: ImageSettings, take: Take, kinds: Kinds
) -> EncodedImage | InvalidRequest:
    try:
        if place.holds_image:
            data = await asyncio.to_thread(data_of, place.url, settings, kinds)
        else:
            data = await fetcher.fetch(place.url)
        return await asyncio.to_thread(take, data, settings, kinds)
    except ImageRefused as error:
        return InvalidRequest(f"Invalid '{place.param}': {error.reason}", param=place.param, code=error.code)
