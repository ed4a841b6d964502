"""From the cluster's errors to gRPC statuses with ``google.rpc`` details, as docs/grpc.md lists them."""

from __future__ import annotations

from math import ceil

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from cluster.errors import (
    Conflict,
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    MethodNotAllowed,
    ModelUnusable,
    NotFound,
    OssatureError,
    Overloaded,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    Unauthenticated,
)

DOMAIN = "ossature"
DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata in which gRPC carries a ``google.rpc.Status``."""

CODES: dict[type[OssatureError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    MethodNotAllowed: grpc.StatusCode.UNIMPLEMENTED,
    Conflict: grpc.StatusCode.ALREADY_EXISTS,
    RequestTimeout: grpc.StatusCode.DEADLINE_EXCEEDED,
    RequestTooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Overloaded: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    # ABORTED, not INTERNAL or UNAVAILABLE: the whole call may be repeated, but a client library must not do so by itself once
    # messages of the answer have been handed out.
    EngineFailed: grpc.StatusCode.ABORTED,
    ModelUnusable: grpc.StatusCode.FAILED_PRECONDITION,
}

# Clients accept 8 KiB of trailing metadata by default. A message may stand in it percent-encoded and, twice, in base64: 5.7 times
# its size at worst.
_MAX_MESSAGE_BYTES = 800
_MAX_PARAM_BYTES = 256


def status_code(error: OssatureError) -> grpc.StatusCode:
    """Of the error's class or the nearest of its bases; ``INTERNAL`` for all others."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return grpc.StatusCode.INTERNAL


def message_of(error: OssatureError) -> str:
    """The error's text, short enough for trailing metadata and encodable."""
    return _shortened(error.message, _MAX_MESSAGE_BYTES)


def status_of(error: OssatureError, request_id: str) -> Status:
    """The whole error: ``ErrorInfo`` and ``RequestInfo`` always, ``BadRequest`` and ``RetryInfo`` where they say something."""
    param = None if error.param is None else _shortened(error.param, _MAX_PARAM_BYTES)
    reason = error.code or error.type
    info = ErrorInfo(reason=reason.upper(), domain=DOMAIN, metadata={"type": error.type})
    if error.code is not None:
        info.metadata["code"] = error.code
    if param is not None:
        info.metadata["param"] = param
    details: list[Message] = [info, RequestInfo(request_id=request_id)]
    if param is not None:
        details.append(BadRequest(field_violations=[BadRequest.FieldViolation(field=param, description=message_of(error))]))
    if error.retry_after_s is not None:
        details.append(RetryInfo(retry_delay=_duration(error.retry_after_s)))
    status = Status(code=status_code(error).value[0], message=message_of(error))
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def defect(request_id: str) -> Status:
    """What a caller learns of an error that is not meant for callers: that there was one, and the id to report it by."""
    message = f"The server had an error while it worked on your request. You may retry it. The request id is {request_id}."
    return status_of(OssatureError(message, code="internal_error"), request_id)


def _duration(seconds: float) -> Duration:
    """Rounded up to milliseconds, so that a client that waits exactly that long does not come too early."""
    duration = Duration()
    duration.FromMilliseconds(max(0, ceil(seconds * 1000)))
    return duration


def _shortened(text: str, max_bytes: int) -> str:
    encoded = text.encode("utf-8", errors="replace")
    return encoded.decode() if len(encoded) <= max_bytes else encoded[: max_bytes - 3].decode("utf-8", errors="ignore") + "…"
