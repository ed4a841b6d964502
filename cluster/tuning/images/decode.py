"""Whether bytes are an image that a model can be trained on: by decoding them, within a limit of pixels."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from io import BytesIO
from typing import Final

from PIL import Image

from cluster.config.schema import TuningImageSettings
from cluster.tuning.images.fetch import too_large
from cluster.tuning.images.refused import ImageRefused
from cluster.tuning.rows.row import RowImage

MEDIA_TYPES: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_MODES: Final = ("RGB", "RGBA")
_DATA_TYPES: Final = frozenset({"image/jpeg", "image/jpg", "image/png", "image/webp"})
_BROKEN: Final = (
    # What Pillow's decoders are known to raise for broken files; it promises no common base.
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def data_of(url: str, settings: TuningImageSettings) -> bytes:
    """The bytes of a data URL, ``data:image/png;base64,…``. Raises :class:`ImageRefused`."""
    head, comma, text = url.partition(",")
    media_type, *parameters = head.removeprefix("data:").lower().split(";")
    if not comma or parameters[-1:] != ["base64"]:
        raise ImageRefused("invalid_image_url", "a data URL must be of the form 'data:image/png;base64,…'.")
    if media_type not in _DATA_TYPES:
        raise ImageRefused("invalid_image_format", f"'{media_type[:50]}' is none of JPEG, PNG and WEBP.")
    if len(text) > (settings.max_image_bytes + 2) // 3 * 4:
        raise too_large(settings.max_image_bytes)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ImageRefused("invalid_image_url", "the data is not valid base64.") from None
    if len(data) > settings.max_image_bytes:
        raise too_large(settings.max_image_bytes)
    return data


def decoded(data: bytes, settings: TuningImageSettings) -> RowImage:
    """Decodes the image to its end, up to four bytes a pixel: for a thread. Raises :class:`ImageRefused`."""
    try:
        with Image.open(BytesIO(data), formats=tuple(MEDIA_TYPES)) as image:
            width, height = image.size
            # Before anything is decoded: the header alone says how much memory that takes.
            if width * height > settings.max_image_pixels:
                raise ImageRefused(
                    "image_too_large", f"the image has {width} x {height} pixels; {settings.max_image_pixels} are allowed."
                )
            if getattr(image, "n_frames", 1) != 1:
                raise ImageRefused("invalid_image_format", "the image has more than one frame.")
            if image.mode not in _MODES:
                raise ImageRefused("invalid_image_format", f"the image's colour mode is {image.mode}; it must be RGB or RGBA.")
            image.load()
            return RowImage(data, MEDIA_TYPES[str(image.format)])
    except _BROKEN:
        raise ImageRefused("invalid_image_format", "it can't be decoded as JPEG, PNG or WEBP.") from None
