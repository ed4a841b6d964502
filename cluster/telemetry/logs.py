"""Logs: one JSON object a line (or plain text), with the request they belong to, without secrets.

Log what happened and to whom (ids), never what was said: no prompt, no answer, no request body, no header.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from cluster.config.schema import LoggingSettings
from cluster.telemetry.redaction import ExceptionInfo, RedactingRecord, format_exception, redact

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
org_id: ContextVar[str | None] = ContextVar("org_id", default=None)
replica: ContextVar[str | None] = ContextVar("replica", default=None)

_CONTEXT = (request_id, org_id, replica)
_STANDARD_ATTRIBUTES = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "color_message"}
# Libraries that bring handlers of their own; their records go through ours instead.
_TAKEN_OVER = ("uvicorn", "uvicorn.error", "uvicorn.access", "vllm")


@contextmanager
def bound(**values: str | None) -> Iterator[None]:
    """Give all records inside these fields: ``request_id``, ``org_id``, ``replica``. Follows into tasks that start inside."""
    variables = {variable.name: variable for variable in _CONTEXT}
    tokens = [(variables[name], variables[name].set(value)) for name, value in values.items()]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)


def configure(settings: LoggingSettings, component: str, stream: TextIO | None = None) -> None:
    """Set up this process's logs: everything to ``stream``, in one format, from ``settings.level`` on.

    Without ``stream``: standard error as the process got it. Ray Serve puts an object of its own in ``sys.stderr``, which holds
    lines back by the thousand and wraps them in its own format.

    ``component`` says which part of the cluster this process is (``gateway``, ``engine:<model>``, …). May be called again.
    """
    logging.setLogRecordFactory(RedactingRecord)
    handler = logging.StreamHandler(stream or sys.__stderr__ or sys.stderr)
    handler.setFormatter(JsonFormatter(component) if settings.json_lines else TextFormatter(component))
    root = logging.getLogger()
    for former in [*root.handlers]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(settings.level)
    for name in _TAKEN_OVER:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class JsonFormatter(logging.Formatter):
    """``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, ``component``, context, ``extra=`` fields, ``traceback``."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "component": self._component,
        }
        fields |= _context()
        for name, value in _extra(record).items():
            fields.setdefault(name, value)
        if (text := _traceback(record)) is not None:
            fields["traceback"] = text
        return json.dumps(fields, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The same for a terminal: one line, then the traceback."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        # A message with line breaks could pass itself off as several records.
        message = redact(record.getMessage()).replace("\r", "\\r").replace("\n", "\\n")
        fields = "".join(f" {name}={value}" for name, value in (_context() | _extra(record)).items())
        text = _traceback(record)
        line = f"{_time(record)} {record.levelname:<7} {self._component} {record.name}: {message}{fields}"
        return line if text is None else f"{line}\n{text}"


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _context() -> dict[str, object]:
    return {variable.name: value for variable in _CONTEXT if (value := variable.get()) is not None}


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """Fields given by ``extra=``: numbers as they are, anything else as redacted text."""
    extra = ((name, value) for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES)
    return {name: value if value is None or isinstance(value, bool | int | float) else redact(str(value)) for name, value in extra}


def _traceback(record: logging.LogRecord) -> str | None:
    if record.exc_text is not None:
        return redact(record.exc_text)
    return format_exception(record.exc_info) if record.exc_info and record.exc_info[0] is not None else None


def _log_uncaught(*info: *ExceptionInfo) -> None:
    if issubclass(info[0], KeyboardInterrupt):
        sys.__excepthook__(*info)
        return
    logging.getLogger(__name__).critical("uncaught exception", exc_info=info)


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is SystemExit or arguments.exc_value is None:
        return
    info = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
    logging.getLogger(__name__).critical("uncaught exception in thread", exc_info=info)
