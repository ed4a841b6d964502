"""Images in the canonical prompt: by digest, and about as long there as they are for a model.

Prompts are weighed by their bytes, and a picture's file is hundreds of times as long as the tokens that it becomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from cluster.routing.anchors import BYTES_PER_TOKEN

TOKENS: Final = 256
"""What an image is taken to be: models make 64 tokens (SmolVLM) to 1,300 (Qwen-VL, a photograph) of one."""

_DIGEST_BYTES: Final = 16
_REPEATS: Final = TOKENS * BYTES_PER_TOKEN // (2 * _DIGEST_BYTES)


def with_digests(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message with a digest in each image's place: of the data, or of the URL that it is to be fetched from."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_digest(part) if part["type"] == "image_url" else part for part in content]}


def _digest(part: Mapping[str, Any]) -> Mapping[str, Any]:
    digest = blake2b(part["image_url"]["url"].encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return {"type": "image_url", "digest": digest * _REPEATS}
