"""Logs: one JSON object a line (or plain text), with the request they belong to, without secrets.

Log what happened and to whom (ids), never what was said: no prompt, no answer, no request body, no header. The one exception is
:func:`log_prompt`, which is off unless ``logging.prompts`` is on.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from cluster.config.settings.telemetry import LoggingSettings
from cluster.telemetry.redaction import ExceptionInfo, RedactingRecord, format_exception, redact

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
org_id: ContextVar[str | None] = ContextVar("org_id", default=None)
replica: ContextVar[str | None] = ContextVar("replica", default=None)

_CONTEXT = (request_id, org_id, replica)
_encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each line
_BY_NAME = {variable.name: variable for variable in _CONTEXT}
_STANDARD_ATTRIBUTES = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "color_message"}
# Libraries that bring handlers of their own; their records go through ours instead.
_TAKEN_OVER = ("uvicorn", "uvicorn.error", "uvicorn.access", "vllm")
# Libraries whose debugging shows what they carry: values of statements, frames, messages, parts of uploads. SQLAlchemy keeps itself
# to warnings, and must be left alone: at INFO it writes every statement.
_CARRIERS = ("aiosqlite", "websockets", "uvicorn", "python_multipart", "multipart", "httpx", "httpcore", "openai", "grpc")
_MAX_PROMPT_CHARS = 100_000
_prompts = logging.getLogger("ossature.prompts")


class _Bound:
    """Twice a request: no generator, and nothing made that is there already."""

    __slots__ = ("_tokens", "_values")

    def __init__(self, values: dict[str, str | None]) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._tokens = [_BY_NAME[name].set(value) for name, value in self._values.items()]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for token in reversed(self._tokens):
            token.var.reset(token)


def bound(**values: str | None) -> AbstractContextManager[None]:
    """Give all records inside these fields: ``request_id``, ``org_id``, ``replica``. Follows into tasks that start inside."""
    return _Bound(values)


def bind(**values: str | None) -> None:
    """As :func:`bound`, for the rest of this task: where a handler has its task to itself and no block to leave."""
    for name, value in values.items():
        _BY_NAME[name].set(value)


def log_prompt(body: bytes) -> None:
    """The validated request as JSON, where the operator wants prompts in the logs."""
    if _prompts.isEnabledFor(logging.INFO):
        _prompts.info("prompt", extra={"prompt": body.decode(errors="replace")[:_MAX_PROMPT_CHARS]})


def configure(settings: LoggingSettings, component: str, stream: TextIO | None = None, replica: str | None = None) -> None:
    """Set up this process's logs: everything to ``stream``, in one format, from ``settings.level`` on.

    Without ``stream``: standard error as the process got it. Ray Serve puts an object of its own in ``sys.stderr``, which holds
    lines back by the thousand and wraps them in its own format.

    ``component`` says which part of the cluster this process is (``gateway``, ``engine:<model>``, …), ``replica`` which of them.
    May be called again.
    """
    logging.setLogRecordFactory(RedactingRecord)
    handler = logging.StreamHandler(stream or sys.__stderr__ or sys.stderr)
    handler.setFormatter(JsonFormatter(component, replica) if settings.json_lines else TextFormatter(component, replica))
    root = logging.getLogger()
    for former in [*root.handlers]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(settings.level)
    for name in _TAKEN_OVER:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _CARRIERS:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    _prompts.setLevel(logging.INFO if settings.prompts else logging.CRITICAL + 1)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class JsonFormatter(logging.Formatter):
    """``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, ``component``, context, ``extra=`` fields, ``traceback``."""

    def __init__(self, component: str, replica: str | None = None) -> None:
        super().__init__()
        self._component = component
        self._process: dict[str, object] = {} if replica is None else {"replica": replica}

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "component": self._component,
        }
        fields |= self._process | _context()
        for name, value in _extra(record).items():
            fields.setdefault(name, value)
        if (text := _traceback(record)) is not None:
            fields["traceback"] = text
        return _encode(fields)


class TextFormatter(logging.Formatter):
    """The same for a terminal: one line, then the traceback."""

    def __init__(self, component: str, replica: str | None = None) -> None:
        super().__init__()
        self._component = component
        self._process: dict[str, object] = {} if replica is None else {"replica": replica}

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in (self._process | _context() | _extra(record)).items())
        text = _traceback(record)
        line = f"{_time(record)} {record.levelname:<7} {self._component} {record.name}: {redact(record.getMessage())}{fields}"
        # A message or a field with line breaks could pass itself off as several records.
        line = line.replace("\r", "\\r").replace("\n", "\\n")
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
