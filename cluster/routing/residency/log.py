"""A replica's reports, kept for as long as a gateway may have to be told again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from cluster.routing.residency.chains import EVICTED
from cluster.routing.residency.report import ENTRY_BYTES, Report, Subscribe, pack

MAX_REPORT_ENTRIES = 16_384
"""320 KiB: far below the largest message of a channel, so that tokens needn't wait for it."""


class ReportLog:
    """The state that gateways are to have, and the last changes that led to it, up to ``history_entries`` of them.

    ``epoch`` tells this life of the replica from others: any number that isn't used twice.
    """

    def __init__(self, epoch: int, history_entries: int) -> None:
        self.epoch = epoch
        self.number = 0
        self.known = True
        self._history_entries = history_entries
        self._state: dict[bytes, int] = {}
        self._reports: deque[Report] = deque()
        self._held = 0

    def __len__(self) -> int:
        """Entries of the whole state."""
        return len(self._state)

    def add(self, news: Mapping[bytes, int]) -> None:
        """The state changes: tokens, ``EVICTED`` or ``UNTOLD``, by chain hash."""
        if not news or not self.known:
            return
        for name, tokens in news.items():
            if tokens > EVICTED:
                self._state[name] = tokens
            else:
                self._state.pop(name, None)
        pairs = list(news.items())
        for start in range(0, len(pairs), MAX_REPORT_ENTRIES):
            self._append(Report(self.epoch, self.number + 1, pack(pairs[start : start + MAX_REPORT_ENTRIES])))

    def lose(self) -> None:
        """Nothing is known from now on. A new epoch begins."""
        self._renew(known=False)

    def restart(self) -> None:
        """The engine's cache is empty and every event since then is known. A new epoch begins."""
        self._renew(known=True)

    def _renew(self, *, known: bool) -> None:
        self.epoch += 1
        self.number = 0
        self.known = known
        self._state.clear()
        self._reports.clear()
        self._held = 0

    def _append(self, report: Report) -> None:
        self.number = report.number
        self._reports.append(report)
        self._held += len(report.entries) // ENTRY_BYTES
        while self._held > self._history_entries:
            self._held -= len(self._reports.popleft().entries) // ENTRY_BYTES

    def after(self, at: Subscribe) -> list[Report]:
        """What a gateway that has this state is to be told, in order: changes if they are still here, else everything."""
        if at.epoch == self.epoch and at.number == self.number:
            return []
        first = self._reports[0].number if self._reports else self.number + 1
        if at.epoch == self.epoch and first - 1 <= at.number < self.number:
            return [report for report in self._reports if report.number > at.number]
        if not self.known:
            return [Report(self.epoch, self.number, b"", whole=True, known=False)]
        pairs = list(self._state.items())
        parts = [pairs[start : start + MAX_REPORT_ENTRIES] for start in range(0, max(1, len(pairs)), MAX_REPORT_ENTRIES)]
        # One state in several messages: the first one clears, the others add to it.
        return [Report(self.epoch, self.number, pack(part), whole=index == 0) for index, part in enumerate(parts)]
