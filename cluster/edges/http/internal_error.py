"""What a caller sees of a defect: an id to report, and nothing of the inside."""

from __future__ import annotations

from cluster.errors import OssatureError


def internal_error(request_id: str) -> OssatureError:
    return OssatureError(
        f"The server had an error while it worked on your request. You may retry it. The request id is {request_id}.",
        code="internal_error",
    )
