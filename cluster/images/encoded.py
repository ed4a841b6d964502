"""An image file, as it goes to a trainer or an engine."""

from __future__ import annotations

import base64
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """``data``: the image file as it was given. ``media_type``: what it turned out to be."""

    data: bytes
    media_type: str

    def to_json(self) -> dict[str, str]:
        return {"data": base64.b64encode(self.data).decode("ascii"), "media_type": self.media_type}

    def to_url(self) -> str:
        """``data:image/png;base64,…``."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"
