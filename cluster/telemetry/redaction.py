"""The last net under the logs: takes out what looks like a secret, wherever it came from.

The first rule stays that secrets and prompts are not logged. Prompts can't be told from other text, with one exception: pydantic
quotes the offending input in its errors, and that is taken out.
"""

from __future__ import annotations

import logging
import re
import traceback
from types import TracebackType
from typing import Any

REDACTED = "[redacted]"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Any header, variable or field that holds a credential, in HTTP, JSON, Python and YAML spelling, and in ASGI's pairs.
    (
        re.compile(
            r"(?i)((?:proxy-)?authorization|x-api-key|api[_-]key|password|secret)"
            r"(['\"\\]*\s*[:=]\s*(?:b(?=['\"]))?['\"\\]*|['\"]\s*,\s*b?['\"])"
            r"(?!\[redacted\])(?:(?:bearer|basic|digest)\s+)?[^\s'\",;)}\]\\]+"
        ),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{8,}"), rf"\1 {REDACTED}"),
    # API keys and client secrets, ours and OpenAI's
    (re.compile(r"(?<![A-Za-z0-9])(sk-|ek_)[A-Za-z0-9_\-]{6,}"), rf"\1{REDACTED}"),
    # user:password@ in URLs
    (re.compile(r"(://[^:/\s@'\"]*:)[^@\s'\"]+@"), rf"\1{REDACTED}@"),
    # pydantic's quote of the input
    (re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL), f"input_value={REDACTED}"),
)


# No rule finds anything in a text without one of these. Nearly every line of a log is such a text, and is looked at several times.
_SIGNS = ("authorization", "api-key", "api_key", "password", "secret", "bearer", "basic", "sk-", "ek_", "://", "input_value=")


def redact(text: str) -> str:
    """``text`` without what looks like a secret."""
    # Beyond ASCII there are letters that count as the same for the rules, and for nothing else.
    if text.isascii():
        lowered = text.lower()
        if not any(sign in lowered for sign in _SIGNS):
            return text
    return apply_rules(text)


def apply_rules(text: str) -> str:
    """What :func:`redact` does, without a look whether there is anything to do."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def format_exception(info: ExceptionInfo) -> str:
    """The traceback as text, redacted."""
    return redact("".join(traceback.format_exception(*info))).rstrip("\n")


class RedactingRecord(logging.LogRecord):
    """A record that is clean from its making on, so that handlers of other libraries can't leak either."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.msg, str):
            self.msg = redact(self.msg)
        if isinstance(self.args, tuple):
            self.args = tuple(_redact_argument(argument) for argument in self.args)
        elif self.args:
            self.args = {name: _redact_argument(argument) for name, argument in self.args.items()}
        if self.exc_info and self.exc_info[0] is not None:
            self.exc_text = format_exception(self.exc_info)

    def getMessage(self) -> str:  # noqa: N802
        """The message; redacted again, because a secret may only arise when the parts are put together."""
        return redact(super().getMessage())


def _redact_argument(argument: object) -> object:
    """Numbers stay what formats like ``%d`` need; everything else that would show a secret becomes its redacted text."""
    if argument is None or isinstance(argument, bool | int | float):
        return argument
    text = str(argument)
    clean = redact(text)
    return argument if clean == text else clean
