"""Why an image is not taken."""

from __future__ import annotations


class ImageRefused(Exception):
    """``code``: ``image_too_large``, ``invalid_image_format``, ``inaccessible_url``, ``forbidden_url`` or ``invalid_image_url``.

    The reason completes the sentence "Invalid '<field>': …" and says nothing of this cluster's network.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
