"""Where a client's request or file names an image."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """``param``: the field that the URL stands in."""

    param: str
    url: str

    @property
    def holds_image(self) -> bool:
        """Whether the image is in the URL, so that nothing is to be fetched."""
        return self.url[:5].lower() == "data:"
