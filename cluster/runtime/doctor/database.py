"""The database: is it reached, is it of this version, and does its clock agree with ours?"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.errors import StoreUnavailable
from cluster.runtime.doctor.finding import Finding, Reporter
from cluster.runtime.preparation import database_url
from cluster.store.database import parse_url
from cluster.store.errors import told_cause
from cluster.store.revision import SchemaState, schema_state

CLOCK_WARNING_S = 1.0
CLOCK_PROBLEM_S = 30.0
"""Expiry of client secrets and epochs of prompt caches go by each machine's clock."""

Look = Callable[[str, float], Awaitable[SchemaState]]


class DatabaseState(Reporter):
    name: ClassVar[str] = "database"

    def __init__(self, config: ClusterConfig, look: Look = schema_state, clock: Callable[[], float] = time.time) -> None:
        self._url = database_url(config)
        self._timeout_s = config.database.timeout_s
        self._look = look
        self._clock = clock

    async def findings(self) -> Sequence[Finding]:
        where = parse_url(self._url).set(drivername=parse_url(self._url).get_backend_name()).render_as_string(hide_password=True)
        asked = self._clock()
        try:
            state = await self._look(self._url, self._timeout_s)
        except StoreUnavailable as error:
            step = "Is the server running, does database.url name it, and may this user connect? An SQLite file must be readable."
            return [
                self.problem("connection", f"{where} can't be used ({told_cause(error)})", step),
                self.unknown("clock", "the database's clock can't be seen"),
            ]
        answered = self._clock()
        return [self.ok("connection", where), self._schema(state), self._agreement(state.clock_unix_s, asked, answered)]

    def _schema(self, state: SchemaState) -> Finding:
        if state.current is None:
            return self.ok("schema", f"empty: the first start makes the tables of revision {state.newest}")
        if state.up_to_date:
            return self.ok("schema", f"revision {state.current}, the newest")
        if not state.known:
            return self.problem(
                "schema",
                f"revision {state.current} is of another version than this one, which knows up to {state.newest}",
                "Run the version that made it, or restore the backup from before the upgrade.",
            )
        return self.warning(
            "schema",
            f"revision {state.current}; the next start brings it to {state.newest}",
            "There is no way back from a migration but a backup: `ossature backup create FILE` first.",
        )

    def _agreement(self, database: float | None, asked: float, answered: float) -> Finding:
        if database is None:
            return self.ok("clock", "the database is a file of this machine")
        # The database looked at its clock at some moment between the two: only what lies outside of them is a difference.
        difference_s = max(asked - database, database - answered, 0.0)
        step = "Let a time service (chrony, systemd-timesyncd) set the clocks of all nodes and of the database."
        if difference_s > CLOCK_PROBLEM_S:
            return self.problem("clock", f"this machine and the database are {difference_s:.0f} s apart", step)
        if difference_s > CLOCK_WARNING_S:
            return self.warning("clock", f"this machine and the database are {difference_s:.1f} s apart", step)
        return self.ok("clock", "agrees with the database's")
