"""A selection of stored completions as a training file: JSON lines, and a summary of what was left out and why."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

import msgspec

from cluster.completions.service import Filter, Order, Stored, StoredCompletions
from cluster.completions.training_example import LeftOut, training_example
from cluster.identity.principal import Principal


class Export:
    """One export. Iterate :meth:`lines` to its end; the counts are complete then."""

    def __init__(
        self, completions: StoredCompletions, principal: Principal, wanted: Filter, order: Order = "asc", limit: int | None = None
    ) -> None:
        """``limit``: stored completions to look at, at most; unset: all."""
        self._completions = completions
        self._principal = principal
        self._wanted = wanted
        self._order = order
        self._limit = limit
        self.examples = 0
        self.size_bytes = 0
        self.further_choices = 0
        """Answers beside the first of their completion, which are not exported."""
        self.left_out: Counter[LeftOut] = Counter()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Whole lines, some at a time. Raises :class:`StoreUnavailable`."""
        async with aclosing(self._completions.scan(self._principal, self._wanted, self._order, self._limit)) as scan:
            async for stored in scan:
                chunk = await asyncio.to_thread(self._converted, stored)
                if chunk:
                    yield chunk

    def summary(self) -> dict[str, object]:
        """The counts, for people and programs. ``left_out``: by reason, those that occurred."""
        return {
            "object": "chat.completion.export.summary",
            "completions": self.examples + self.left_out.total(),
            "examples": self.examples,
            "bytes": self.size_bytes,
            "left_out": {str(reason): count for reason, count in sorted(self.left_out.items())},
            "further_choices": self.further_choices,
        }

    def _converted(self, stored: Iterable[Stored]) -> bytes:
        lines: list[bytes] = []
        for each in stored:
            response = msgspec.json.decode(each.response)
            example = training_example(msgspec.json.decode(each.request), response)
            if isinstance(example, LeftOut):
                self.left_out[example] += 1
                continue
            self.examples += 1
            self.further_choices += len(response["choices"]) - 1
            lines.append(msgspec.json.encode(example))
        chunk = b"\n".join([*lines, b""]) if lines else b""
        self.size_bytes += len(chunk)
        return chunk
