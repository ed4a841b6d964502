"""The images of one example, wherever they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.config.schema import TuningImageSettings
from cluster.errors import InvalidRequest
from cluster.tuning.images.decode import data_of, decoded
from cluster.tuning.images.fetch import ImageFetcher
from cluster.tuning.images.refused import ImageRefused
from cluster.tuning.rows.row import RowImage


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """``param``: the field that the URL stands in."""

    param: str
    url: str


async def gather_images(
    places: Sequence[ImagePlace], fetcher: ImageFetcher, settings: TuningImageSettings
) -> list[RowImage] | list[InvalidRequest]:
    """All images in order; or what is wrong with those that can't be taken."""
    found = await asyncio.gather(*(_one(place, fetcher, settings) for place in places))
    refused = [each for each in found if isinstance(each, InvalidRequest)]
    return refused or [each for each in found if isinstance(each, RowImage)]


async def _one(place: ImagePlace, fetcher: ImageFetcher, settings: TuningImageSettings) -> RowImage | InvalidRequest:
    try:
        if place.url[:5].lower() == "data:":
            data = await asyncio.to_thread(data_of, place.url, settings)
        else:
            data = await fetcher.fetch(place.url)
        return await asyncio.to_thread(decoded, data, settings)
    except ImageRefused as error:
        return InvalidRequest(f"Invalid '{place.param}': {error.reason}", param=place.param, code=error.code)
