"""What went wrong in vLLM → a :class:`~cluster.engine.contract.Fault` that says what the caller may know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pydantic

from cluster.engine.contract import Fault, FaultKind, Operation

INTERNAL = Fault(FaultKind.INTERNAL, "The engine could not finish this request.")
ENGINE_DEAD = Fault(FaultKind.ENGINE_DEAD, "The engine that worked on this request has died.")
DEADLINE = Fault(FaultKind.DEADLINE, "The request's deadline passed before it could be started.")

PROMPT_FIELD = {Operation.CHAT: "messages", Operation.COMPLETION: "prompt"}

_TOO_LONG = re.compile(
    r"This model's maximum context length is (?P<limit>\d+)"
    r"|exceeds model's maximum context length \((?P<limit2>\d+)\)"
    r"|longer than the maximum model length of (?P<limit3>\d+)"
)
_PROMPT_LENGTH = re.compile(r"prompt contains ((?:at least )?\d+) input tokens|Input length \((\d+)\)|prompt \(length (\d+)\)")


class BadPart(ValueError):
    """A part of a request that can't be understood. ``param``: its place."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


def from_exception(error: BaseException, operation: Operation, *, started: bool) -> Fault:
    """The fault for an exception out of vLLM.

    ``started``: the engine had produced output, so the request can't be to blame any more. ``INTERNAL`` means that the exception
    is a defect, which the caller of this function must log.
    """
    from vllm.exceptions import GracefulHTTPError, VLLMClientError, VLLMValidationError
    from vllm.v1.engine.exceptions import EngineDeadError

    if isinstance(error, EngineDeadError):
        return ENGINE_DEAD
    if isinstance(error, GracefulHTTPError):
        return Fault(FaultKind.OVERLOADED, error.message)
    if started:
        return INTERNAL
    if (too_long := _context_length(str(error), operation)) is not None:
        return too_long
    if isinstance(error, BadPart):
        return Fault(FaultKind.INVALID_REQUEST, str(error), param=error.param)
    if isinstance(error, VLLMValidationError):
        return Fault(FaultKind.INVALID_REQUEST, str(error.args[0]), param=error.parameter)
    if isinstance(error, pydantic.ValidationError):
        return _from_validation(error)
    if isinstance(error, msgspec.DecodeError):
        return Fault(FaultKind.INVALID_REQUEST, "The body is not valid JSON.")
    if isinstance(error, VLLMClientError) or _blames_request(error):
        return Fault(FaultKind.INVALID_REQUEST, str(error))
    return INTERNAL


def from_response(error: Mapping[str, Any], operation: Operation, *, started: bool) -> Fault:
    """The fault for an error object of vLLM's (``message``, ``type``, ``code``, ``param``)."""
    code, message = int(error["code"]), str(error["message"])
    if code == 503:
        return Fault(FaultKind.OVERLOADED, message)
    if started or code >= 500:
        return INTERNAL
    return _context_length(message, operation) or Fault(FaultKind.INVALID_REQUEST, message, param=error.get("param"))


def _context_length(message: str, operation: Operation) -> Fault | None:
    found = _TOO_LONG.search(message)
    if found is None:
        return None
    limit = next(group for group in found.groups() if group)
    field = PROMPT_FIELD[operation]
    length = _PROMPT_LENGTH.search(message)
    tokens = "more" if length is None else f"{next(group for group in length.groups() if group)} tokens"
    return Fault(
        FaultKind.CONTEXT_LENGTH,
        f"This model's maximum context length is {limit} tokens. However, your {field} resulted in {tokens}. "
        f"Please reduce the length of the {field}.",
        param=field,
        code="context_length_exceeded",
    )


def _from_validation(error: pydantic.ValidationError) -> Fault:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return Fault(FaultKind.INVALID_REQUEST, first["msg"], param=".".join(str(part) for part in first["loc"]) or None)


def _blames_request(error: BaseException) -> bool:
    """Before the engine starts, templates and parsers reject what a request holds with plain exceptions (as vLLM's own HTTP server
    understands them too)."""
    if isinstance(error, ValueError | NotImplementedError | OverflowError):
        return True
    return any(parent.__name__ in ("TemplateError", "HarmonyError") for parent in type(error).__mro__)
