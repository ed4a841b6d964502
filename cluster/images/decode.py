"""Whether bytes are an image that a model can see: by their header, or by decoding them, within a limit of pixels."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image

from cluster.config.settings.images import ImageSettings
from cluster.images.encoded import EncodedImage
from cluster.images.fetch import too_large
from cluster.images.refused import ImageRefused


@dataclass(frozen=True, slots=True)
class Kinds:
    """What images may be. ``formats``: Pillow's names for them. ``modes``: Pillow's names for their colours."""

    formats: tuple[str, ...]
    modes: tuple[str, ...]

    @property
    def media_types(self) -> list[str]:
        return [f"image/{name.lower()}" for name in self.formats]


TRAINED_ON: Final = Kinds(("JPEG", "PNG", "WEBP"), ("RGB", "RGBA"))
IN_CHATS: Final = Kinds(("JPEG", "PNG", "WEBP", "GIF"), ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK"))

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


def data_of(url: str, settings: ImageSettings, kinds: Kinds = TRAINED_ON) -> bytes:
    """The bytes of a data URL, ``data:image/png;base64,…``. Raises :class:`ImageRefused`."""
    head, comma, text = url.partition(",")
    media_type, *parameters = head.removeprefix("data:").lower().split(";")
    if not comma or parameters[-1:] != ["base64"]:
        raise ImageRefused("invalid_image_url", "a data URL must be of the form 'data:image/png;base64,…'.")
    if media_type not in (*kinds.media_types, "image/jpg"):
        raise ImageRefused("invalid_image_format", f"'{media_type[:50]}' is none of {_listed(kinds.formats, 'and')}.")
    if len(text) > (settings.max_image_bytes + 2) // 3 * 4:
        raise too_large(settings.max_image_bytes)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ImageRefused("invalid_image_url", "the data is not valid base64.") from None
    if len(data) > settings.max_image_bytes:
        raise too_large(settings.max_image_bytes)
    return data


def decoded(data: bytes, settings: ImageSettings, kinds: Kinds = TRAINED_ON) -> EncodedImage:
    """Decodes the image to its end, up to four bytes a pixel: for a thread. Raises :class:`ImageRefused`."""
    return _opened(data, settings.max_image_pixels, kinds, to_its_end=True)


def inspected(data: bytes, settings: ImageSettings, kinds: Kinds = TRAINED_ON) -> EncodedImage:
    """Reads the image's header alone, so the rest may still be broken. Raises :class:`ImageRefused`."""
    return _opened(data, settings.max_image_pixels, kinds, to_its_end=False)


def check_whole(data: bytes, max_pixels: int, kinds: Kinds) -> None:
    """As :func:`decoded`, for those who know nothing of settings."""
    _opened(data, max_pixels, kinds, to_its_end=True)


def _opened(data: bytes, max_pixels: int, kinds: Kinds, *, to_its_end: bool) -> EncodedImage:
    try:
        with Image.open(BytesIO(data), formats=kinds.formats) as image:
            width, height = image.size
            # Before anything is decoded: the header alone says how much memory that takes.
            if width * height > max_pixels:
                raise ImageRefused("image_too_large", f"the image has {width} x {height} pixels; {max_pixels} are allowed.")
            if getattr(image, "n_frames", 1) != 1:
                raise ImageRefused("invalid_image_format", "the image has more than one frame.")
            if image.mode not in kinds.modes:
                allowed = _listed(kinds.modes, "or")
                raise ImageRefused("invalid_image_format", f"the image's colour mode is {image.mode}; it must be {allowed}.")
            if to_its_end:
                image.load()
            return EncodedImage(data, f"image/{str(image.format).lower()}")
    except _BROKEN:
        raise ImageRefused("invalid_image_format", f"it can't be decoded as {_listed(kinds.formats, 'or')}.") from None


def _listed(names: tuple[str, ...], word: str) -> str:
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
