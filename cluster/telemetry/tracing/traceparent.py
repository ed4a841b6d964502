"""W3C Trace Context's ``traceparent`` header (https://www.w3.org/TR/trace-context-1/#traceparent-header).

``tracestate`` and baggage aren't read: callers could put anything into them, and nothing here has a use for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HEADER: Final = "traceparent"

_VERSION_0 = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# A later version begins with the same fields; what follows them is behind a dash.
_LATER = re.compile(r"(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of somebody else. Neither id is 0."""

    trace_id: int
    span_id: int
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{_SAMPLED if self.sampled else 0:02x}"


def parse(header: str | None) -> TraceContext | None:
    """The context in a header; ``None`` without one, and for one that is malformed, as the specification wants."""
    if header is None:
        return None
    match = _VERSION_0.fullmatch(header) or _LATER.fullmatch(header)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    return TraceContext(trace_id, span_id, bool(flags & _SAMPLED)) if trace_id and span_id else None
