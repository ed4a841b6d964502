"""One ``x-request-id`` on each answer, ours.

Ray Serve's outermost middleware adds the id that came with the request, whoever chose it, to every answer, also where there is one.
Two different values would reach the client, one of them the client's own invention. Serve has no setting for it.
"""

from __future__ import annotations

from ray.serve._private.http_util import RequestIdMiddleware
from starlette.types import Message, Receive, Scope, Send

_HEADER = b"x-request-id"


def keep_our_request_id() -> None:
    """Let Serve's middleware add its id only where an answer has none. Idempotent; holds for this process."""
    original = RequestIdMiddleware.__call__
    if getattr(original, "keeps_ours", False):
        return

    async def call(self: RequestIdMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_one_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                ids = [header for header in message["headers"] if header[0].lower() == _HEADER]
                if len(ids) > 1:
                    # Serve appends, so the first is ours.
                    message["headers"] = [header for header in message["headers"] if header[0].lower() != _HEADER] + ids[:1]
            await send(message)

        await original(self, scope, receive, send_one_id)

    call.keeps_ours = True  # type: ignore[attr-defined]
    RequestIdMiddleware.__call__ = call
