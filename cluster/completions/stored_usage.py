"""How much each organization has stored, known well enough to refuse more without asking the database for each answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy import func, select

from cluster.config.settings.storage import StoredCompletionsSettings
from cluster.store.database import Database
from cluster.store.periodic import Periodic
from cluster.store.tables import StoredCompletionRow

REFRESH_S = 30.0
"""After this time at most it is known what other gateways have stored and what was deleted: so long can a quota be exceeded."""


@dataclass(slots=True)
class _Stored:
    completions: int
    size_bytes: int
    active: bool = True


class StoredUsage:
    """Counts what goes through this gateway at once, and asks the database from time to time. Belongs to one event loop."""

    def __init__(self, database: Database, settings: StoredCompletionsSettings) -> None:
        self._database = database
        self._settings = settings
        self._stored: dict[str, _Stored] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._refreshing = Periodic("stored-completions-usage", REFRESH_S, self.refresh)

    def start(self) -> None:
        self._refreshing.start()

    async def close(self) -> None:
        await self._refreshing.close()
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def has_room(self, org_id: str) -> bool:
        """Whether the organization may store another completion. The first one may always: what there is is not known yet."""
        stored = self._stored.get(org_id)
        if stored is None:
            self._stored[org_id] = _Stored(0, 0)
            task = asyncio.create_task(self._ask([org_id]))
            self._asking.add(task)
            task.add_done_callback(self._asked)
            return True
        stored.active = True
        settings = self._settings
        return (
            stored.completions < settings.max_completions_per_organization
            and stored.size_bytes < settings.max_bytes_per_organization
        )

    def added(self, org_id: str, size_bytes: int) -> None:
        """A completion was written."""
        stored = self._stored.get(org_id)
        if stored is not None:
            stored.completions += 1
            stored.size_bytes += size_bytes

    async def refresh(self) -> None:
        """Ask for the organizations that have stored something since the last time, and forget the others."""
        active = [org_id for org_id, stored in self._stored.items() if stored.active]
        self._stored = {org_id: self._stored[org_id] for org_id in active}
        for stored in self._stored.values():
            stored.active = False
        await self._ask(active)

    async def _ask(self, org_ids: list[str]) -> None:
        table = StoredCompletionRow
        async with self._database.session() as session:
            for org_id in org_ids:
                query = select(func.count(), func.coalesce(func.sum(table.size_bytes), 0)).where(table.org_id == org_id)
                completions, size_bytes = (await session.execute(query)).one()
                if org_id in self._stored:
                    self._stored[org_id].completions, self._stored[org_id].size_bytes = int(completions), int(size_bytes)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            # Without a database nothing can be stored either; the next refresh tries again.
            task.exception()
