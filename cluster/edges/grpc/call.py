"""One call as the edge sees it: who asks and how long they wait, from its metadata; how it ended, to its trailing metadata."""

from __future__ import annotations

import logging
import math
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Protocol

import grpc
from google.rpc.status_pb2 import Status

from cluster.edges.grpc import errors
from cluster.edges.refusals import OnRefusal
from cluster.errors import OssatureError, Unauthenticated
from cluster.inference.service import Call
from cluster.telemetry import labels
from cluster.telemetry.tracing.span import NO_SPAN, Kind, Span, Tracer
from cluster.telemetry.tracing.traceparent import HEADER

REQUEST_ID_KEY = "x-request-id"
TIMEOUT_KEY = "ossature-timeout-s"
"""Seconds until the client's deadline. This and the request id are set by our handlers, which drop what a client sends as them."""

ROUTE_KEY = "x-ossature-route"
ADMIN_KEY = "x-ossature-admin-key"
"""Sent beside a project's key by an admin who wants to see the reasons of the routing decision."""

PROCESSING_KEY = "ossature-processing-ms"
ORGANIZATION_KEY = "openai-organization"
PROJECT_KEY = "openai-project"

_OK: int = grpc.StatusCode.OK.value[0]
_CANCELLED: int = grpc.StatusCode.CANCELLED.value[0]

_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)

logger = logging.getLogger(__name__)


class Context(Protocol):
    """What is needed of a call's context; both Ray Serve's and grpc.aio's have it."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]: ...

    def set_code(self, code: grpc.StatusCode) -> None: ...

    def set_details(self, details: str) -> None: ...

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, str | bytes]]) -> None: ...


class RpcCall:
    """A call from its arrival to its status. ``org_id`` and ``route`` are set once they are known, and told to the client."""

    def __init__(self, context: Context, on_refusal: OnRefusal) -> None:
        self._context = context
        self._on_refusal = on_refusal
        self._started = perf_counter()
        self._metadata = context.invocation_metadata()
        self._status: Status | None = None
        self.request_id = self._single(REQUEST_ID_KEY) or new_request_id()
        self.org_id = ""
        self.route = ""
        self.explain = False
        self._span: Span = NO_SPAN

    def credentials(self) -> tuple[str, str | None, str | None]:
        """The API key, and the organization and project that it is asked to act for.

        Raises ``Unauthenticated`` without a key, and for metadata that is sent more than once: which one counts would be a guess.
        """
        authorization = self._single("authorization")
        if authorization is None:
            raise Unauthenticated(
                "You didn't provide an API key. Send it as metadata: authorization: Bearer YOUR_KEY.", reason="missing"
            )
        bearer = _BEARER.fullmatch(authorization.strip())
        if bearer is None:
            raise Unauthenticated("The authorization metadata must have the form: Bearer YOUR_KEY.", reason="malformed")
        return bearer[1], self._single(ORGANIZATION_KEY), self._single(PROJECT_KEY)

    def traced(self, tracer: Tracer, method: str) -> None:
        """Begin the span of this call, where it is sampled. ``method``: ``package.Service/Method``."""
        caller = next((value for name, value in self._metadata if name == HEADER and isinstance(value, str)), None)
        self._span = tracer.begin(method, Kind.SERVER, caller)
        service, _, name = method.partition("/")
        self._span.set({"rpc.system": "grpc", "rpc.service": service, "rpc.method": name, "ossature.request_id": self.request_id})

    def origin(self) -> Call:
        """How the call came in, for the inside."""
        return Call(edge="grpc", trace_id=self.request_id, timeout_s=self._timeout_s(), explain=self.explain, span=self._span)

    def admin_key(self) -> str | None:
        """An admin's key, if one was sent beside the caller's."""
        return self._single(ADMIN_KEY)

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Turn errors of the block into the call's status. The handler then returns as usual, with any message: it is not sent.

        Raising instead would lose the trailing metadata, and with it the error's details, under Ray Serve. Cancellation passes.
        """
        try:
            yield
        except OssatureError as error:
            self._on_refusal("grpc", self.org_id, error)
            self._status = errors.status_of(error, self.request_id)
            self._set(errors.status_code(error), self._status.message)
            self._failed(error)
        except Exception as error:
            self._on_refusal("grpc", self.org_id, error)
            logger.exception("Request %s failed on a defect", self.request_id)
            self._status = errors.defect(self.request_id)
            self._set(grpc.StatusCode.INTERNAL, self._status.message)
            self._failed(error)
        except BaseException:
            self._span.set({"rpc.grpc.status_code": _CANCELLED})
            raise
        else:
            self._span.set({"rpc.grpc.status_code": _OK})
        finally:
            self._context.set_trailing_metadata(self._trailers())
            if self._status is not None:
                self._span.set({"rpc.grpc.status_code": self._status.code})
            if self._span is not NO_SPAN:
                self._span.set({"ossature.org_id": self.org_id or None})
                self._span.end()

    def _failed(self, error: Exception) -> None:
        # What is the caller's fault is no failure of the server.
        if not isinstance(error, OssatureError) or error.status >= 500:
            self._span.failed(labels.code_of(error))

    def _set(self, code: grpc.StatusCode, details: str) -> None:
        self._context.set_code(code)
        self._context.set_details(details)

    def _trailers(self) -> list[tuple[str, str | bytes]]:
        trailers: list[tuple[str, str | bytes]] = [
            (REQUEST_ID_KEY, self.request_id),
            (PROCESSING_KEY, str(round((perf_counter() - self._started) * 1000))),
        ]
        if self.org_id:
            trailers.append((ORGANIZATION_KEY, self.org_id))
        if self.route:
            trailers.append((ROUTE_KEY, self.route.encode("ascii", errors="replace").decode()))
        if self._status is not None:
            trailers.append((errors.DETAILS_KEY, self._status.SerializeToString()))
        return trailers

    def _single(self, key: str) -> str | None:
        values = [value for name, value in self._metadata if name == key]
        if len(values) > 1:
            raise Unauthenticated(f"The metadata {key} was sent more than once.")
        return values[0] if values and isinstance(values[0], str) and values[0] else None

    def _timeout_s(self) -> float | None:
        for key, value in self._metadata:
            if key == TIMEOUT_KEY:
                timeout_s = float(value)
                return timeout_s if math.isfinite(timeout_s) else None
        return None


def new_request_id() -> str:
    return f"req_{secrets.token_hex(16)}"
