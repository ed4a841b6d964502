"""What Ray Serve does with a request before our application gets it, cut to what is needed of it.

Serve's outermost middleware adds the id that came with the request, whoever chose it, to every answer, also where there is one.
Two different values would reach the client, one of them the client's own invention. And inside of it Serve watches for the client's
going away, with two tasks and a queue for each request, although our application does so itself for all that takes long. Serve has
no setting for the first, and for the second only a header of the request.
"""

from __future__ import annotations

import uuid

from ray.serve._private.constants import SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER
from ray.serve._private.http_util import RequestIdMiddleware
from starlette.types import Message, Receive, Scope, Send

_ID_HEADER = b"x-request-id"
_UNWATCHED_HEADER = SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER.encode()
_UNWATCHED = (_UNWATCHED_HEADER, b"?1")


def shorten_ingress() -> None:
    """Let this process's Serve add a request id only where an answer has none, and leave disconnects to us. Idempotent."""
    original = RequestIdMiddleware.__call__
    if getattr(original, "shortened", False):
        return

    async def call(self: RequestIdMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await original(self, scope, receive, send)
            return

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start" and all(name.lower() != _ID_HEADER for name, _ in message["headers"]):
                message["headers"] = [*message["headers"], (_ID_HEADER, str(uuid.uuid4()).encode())]
            await send(message)

        # What a client says about it does not count.
        scope["headers"] = [header for header in scope["headers"] if header[0] != _UNWATCHED_HEADER]
        scope["headers"].append(_UNWATCHED)
        await self._app(scope, receive, send_with_id)

    call.shortened = True  # type: ignore[attr-defined]
    RequestIdMiddleware.__call__ = call
