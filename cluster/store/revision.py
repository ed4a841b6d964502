"""Which schema a database has, and which one this version of the cluster wants."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from cluster.store.database import create_engine, parse_url
from cluster.store.errors import store_errors
from cluster.store.schema import alembic_config


@dataclass(frozen=True, slots=True)
class SchemaState:
    """``current``: revision of the database, ``None`` for one without tables of ours. ``newest``: this version's.

    ``known``: whether ``current`` is one of this version's, or none. ``clock_unix_s``: the database's own clock when it answered,
    ``None`` where it is a file of this machine. ``empty``: it has no tables, of whomever.
    """

    current: str | None
    newest: str
    known: bool
    clock_unix_s: float | None
    empty: bool = False

    @property
    def up_to_date(self) -> bool:
        return self.current == self.newest


async def schema_state(url: str, timeout_s: float) -> SchemaState:
    """Look, and change nothing. An SQLite file that isn't there is an empty database, and is not made.

    Raises :class:`StoreUnavailable` when the database can't be reached, ``ValueError`` for a bad URL.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        with store_errors():
            if not await asyncio.to_thread(Path(str(parsed.database)).exists):
                return _state(None, None, empty=True)
    engine = create_engine(parsed, timeout_s=timeout_s, pool_size=None)
    try:
        with store_errors():
            async with engine.connect() as connection:
                current, empty = await connection.run_sync(_looked_at)
                if engine.dialect.name != "postgresql":
                    return _state(current, None, empty=empty)
                clock = (await connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))).scalar_one()
                return _state(current, float(clock), empty=empty)
    finally:
        await engine.dispose()


def newest_revision() -> str:
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "there are migrations"
    return head


def is_known(revision: str) -> bool:
    """Whether this version of the cluster has a migration of this name."""
    return revision in {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def _state(current: str | None, clock_unix_s: float | None, *, empty: bool) -> SchemaState:
    return SchemaState(current, newest_revision(), current is None or is_known(current), clock_unix_s, empty)


def _looked_at(connection: Connection) -> tuple[str | None, bool]:
    """The revision, and whether there is no table."""
    return MigrationContext.configure(connection).get_current_revision(), not inspect(connection).get_table_names()
