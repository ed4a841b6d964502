"""Images in chat requests: decoded once to see that they are whole, and named for their organization.

vLLM keeps what it has seen under a name made of the image alone. The name given here is made of the organization's salt, too, so
that none of vLLM's caches leads from one organization to another. And vLLM would fetch images from the web or read files: of what
gets here, gateways have fetched everything that may be.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any, Final

from cluster.engine.vllm.faults import BadPart
from cluster.engine.vllm.media import Part
from cluster.images.decode import IN_CHATS, check_whole
from cluster.images.refused import ImageRefused

PART: Final = "image_url"
#: As many as any gateway may let pass: ``images.max_image_pixels``.
_MAX_PIXELS: Final = 80_000_000


def sees(llm: Any) -> bool:
    """Whether a started engine's model takes images."""
    processor = llm.renderer.mm_processor
    return processor is not None and "image" in processor.info.supported_mm_limits


def make_ready(part: Part, place: str, salt: str) -> Part:
    """A ``MakeReady`` for ``image_url`` parts."""
    given = part.get(PART)
    url = given.get("url") if isinstance(given, dict) else None
    if not isinstance(url, str) or not url[:5].lower() == "data:":
        raise BadPart(f"{place}.url", "The image must be in the request, as a data URL.")
    try:
        data = base64.b64decode(url.partition(",")[2], validate=True)
        check_whole(data, _MAX_PIXELS, IN_CHATS)
    except (binascii.Error, ValueError) as error:
        raise BadPart(f"{place}.url", "This is no base64.") from error
    except ImageRefused as error:
        raise BadPart(f"{place}.url", f"Invalid '{place}.url': {error.reason}") from error
    name = hmac.new(salt.encode(), data, hashlib.sha256).hexdigest()
    return {"type": PART, PART: {"url": url}, "uuid": name}
