"""What is wrong with an event, in OpenAI's words: type, code, message, and the field in dotted form.

No clients' codes are invented where OpenAI has one: clients tell harmless errors from fatal ones by them.
"""

from __future__ import annotations

from cluster.errors import OssatureError

INVALID_REQUEST = "invalid_request_error"


class EventRefused(Exception):
    """An event that can't be done. The session goes on. ``event_id``: the client's name for the event, if it gave one."""

    def __init__(
        self, code: str | None, message: str, *, param: str | None = None, type: str = INVALID_REQUEST, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.type = type
        self.event_id = event_id

    @classmethod
    def of(cls, error: OssatureError, *, event_id: str | None = None) -> EventRefused:
        """An error of the cluster as an error of an event."""
        return cls(error.code, error.message, param=error.param, type=error.type, event_id=event_id)


def missing(param: str) -> EventRefused:
    return EventRefused("missing_required_parameter", f"Missing required parameter: '{param}'.", param=param)


def unknown(param: str) -> EventRefused:
    return EventRefused("unknown_parameter", f"Unknown parameter: '{param}'.", param=param)


def invalid(param: str, what: str, code: str = "invalid_value") -> EventRefused:
    return EventRefused(code, f"Invalid '{param}': {what}", param=param)


def unsupported(param: str, why: str) -> EventRefused:
    return EventRefused("unsupported_value", f"Unsupported value for '{param}': {why}", param=param)


def bad_json(what: str) -> EventRefused:
    return EventRefused("invalid_json", f"The event is not valid JSON: {what}")
