"""The one tree of errors that a caller can see.

Domain code raises these; each edge maps them (OpenAI error body, gRPC status). The fields follow OpenAI's
error object: ``message``, ``type``, ``param``, ``code`` (openapi.yaml, component ``Error``); ``status`` is the HTTP status.
Whatever is not an :class:`OssatureError` is a defect and reaches a caller as a bare 500 with a request id, never with its text.
"""

from __future__ import annotations

from typing import ClassVar, Final

_COUNTED: Final = "_ossature_counted"


class OssatureError(Exception):
    """Base of all errors that may be shown to a caller.

    ``param`` names the offending field in dotted form (``messages.0.role``), ``retry_after_s`` is a wait in seconds.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, object]:
        """OpenAI's error body: ``{"error": {"message", "type", "param", "code"}}``."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def first_count(error: BaseException) -> bool:
    """Whether ``error`` is not in the metrics yet. Asking marks it, so that whoever passes it on does not count it again."""
    if getattr(error, _COUNTED, False):
        return False
    setattr(error, _COUNTED, True)
    return True


# --- the request is wrong -------------------------------------------------------------------------------------------------


class InvalidRequest(OssatureError):
    """A field is missing, of the wrong type, out of range or contradicts another."""

    status = 400
    type = "invalid_request_error"


class ContextLengthExceeded(InvalidRequest):
    """Prompt plus requested completion do not fit the model's context window."""

    default_code = "context_length_exceeded"


class NotFound(InvalidRequest):
    """The object does not exist, or not for this caller: the two are not told apart."""

    status = 404


class ModelNotFound(NotFound):
    default_code = "model_not_found"


class MethodNotAllowed(InvalidRequest):
    status = 405


class RequestTimeout(InvalidRequest):
    """The request itself did not arrive in time."""

    status = 408
    default_code = "request_timeout"


class Conflict(InvalidRequest):
    """The object exists already, or is in a state that forbids the change."""

    status = 409


class RequestTooLarge(InvalidRequest):
    status = 413
    default_code = "request_too_large"


class RangeNotSatisfiable(InvalidRequest):
    """The range of bytes that was asked for is not in the object."""

    status = 416
    default_code = "range_not_satisfiable"


class UnsupportedMediaType(InvalidRequest):
    """The body is not of the type that the endpoint takes, or is compressed."""

    status = 415
    default_code = "unsupported_content_type"


# --- the caller may not ---------------------------------------------------------------------------------------------------


class Unauthenticated(OssatureError):
    """``reason`` is for metrics alone (``missing``, ``malformed``, ``unknown``): callers are not told what is wrong with a key."""

    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "unknown",
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code, retry_after_s=retry_after_s)
        self.reason = reason


class PermissionDenied(OssatureError):
    status = 403
    type = "invalid_request_error"
    default_code = "permission_denied"


class RateLimited(OssatureError):
    """The organization is over one of its limits; ``retry_after_s`` says when to come back."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


# --- the cluster can't ----------------------------------------------------------------------------------------------------


class Overloaded(OssatureError):
    """No capacity now (no replica ready, queues full, draining). Always sent with Retry-After."""

    status = 503
    default_code = "overloaded"

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after_s: float | None = 1.0
    ) -> None:
        super().__init__(message, param=param, code=code, retry_after_s=retry_after_s)


class ClientTooSlow(Overloaded):
    """Too much was waiting for clients that read slowly, and this answer had to go."""

    default_code = "client_too_slow"


class StoreUnavailable(Overloaded):
    """The database can't be reached, is too slow or refuses to work (disk full, locked). Nothing was acknowledged."""

    default_code = "store_unavailable"


class ModelUnusable(OssatureError):
    """A tuned model is there, and can't be served: its files are missing or damaged, or don't fit what its base model serves."""

    status = 500
    default_code = "model_unusable"


class DeadlineExceeded(OssatureError):
    status = 504
    default_code = "deadline_exceeded"


class EngineFailed(OssatureError):
    """The engine died under a request that had streamed something already, or twice in a row."""

    status = 500
    default_code = "engine_failed"
