"""What images may be in chats: more than what is trained on, and looked at by their headers before engines decode them."""

from __future__ import annotations

import pytest

from cluster.config.settings.images import ImageSettings
from cluster.images.decode import IN_CHATS, check_whole, data_of, decoded, inspected
from cluster.images.encoded import EncodedImage
from cluster.images.refused import ImageRefused
from tests.unit.fine_tuning.samples import data_url, picture

SETTINGS = ImageSettings()


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "L"), ("PNG", "P"), ("PNG", "LA"), ("PNG", "1"), ("JPEG", "CMYK"), ("GIF", "P"), ("WEBP", "RGBA")]
)
def test_colours_and_formats_of_the_web_are_taken(kind: str, mode: str) -> None:
    data = picture(kind, mode)
    expected = EncodedImage(data, f"image/{kind.lower()}")
    assert inspected(data, SETTINGS, IN_CHATS) == decoded(data, SETTINGS, IN_CHATS) == expected
    assert data_of(expected.to_url(), SETTINGS, IN_CHATS) == data


def test_what_is_trained_on_is_less() -> None:
    with pytest.raises(ImageRefused, match="'image/gif' is none of JPEG, PNG and WEBP"):
        data_of(data_url(picture("GIF"), "image/gif"), SETTINGS)
    with pytest.raises(ImageRefused, match="none of JPEG, PNG, WEBP and GIF"):
        data_of(data_url(picture("BMP"), "image/bmp"), SETTINGS, IN_CHATS)


def test_a_header_tells_nothing_of_a_cut_file_and_decoding_does() -> None:
    cut = picture("JPEG", size=(64, 64))[:-40]
    assert inspected(cut, SETTINGS, IN_CHATS).media_type == "image/jpeg"
    with pytest.raises(ImageRefused, match="can't be decoded"):
        check_whole(cut, 1 << 20, IN_CHATS)


def test_pixels_are_bounded_by_the_header() -> None:
    with pytest.raises(ImageRefused, match="64 x 64 pixels; 4095 are allowed"):
        check_whole(picture(size=(64, 64)), 4095, IN_CHATS)


def test_deep_colours_are_refused_and_named() -> None:
    with pytest.raises(ImageRefused, match=r"colour mode is I;16; it must be RGB, .* or CMYK"):
        inspected(picture("PNG", "I;16"), SETTINGS, IN_CHATS)
