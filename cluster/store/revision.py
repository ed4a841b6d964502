"""Which schema a database has, and which one this version of the cluster wants."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from cluster.store.database import create_engine, parse_url
from cluster.store.errors import store_errors
from cluster.store.schema import alembic_config


@dataclass(frozen=True, slots=True)
class SchemaState:
    """``current``: revision of the database, ``None`` for one without tables. ``newest``: this version's.

    ``known``: whether ``current`` is one of this version's, or none. ``clock_unix_s``: the database's own clock when it answered,
    ``None`` where it is a file of this machine.
    """

    current: str | None
    newest: str
    known: bool
    clock_unix_s: float | None

    @property
    def up_to_date(self) -> bool:
        return self.current == self.newest


async def schema_state(url: str, timeout_s: float) -> SchemaState:
    """Look, and change nothing. An SQLite file that isn't there is an empty database, and is not made.

    Raises :class:`StoreUnavailable` when the database can't be reached, ``ValueError`` for a bad URL.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not await asyncio.to_thread(Path(str(parsed.database)).exists):
        return _state(None, None)
    engine = create_engine(parsed, timeout_s=timeout_s, pool_size=None)
    try:
        with store_errors():
            async with engine.connect() as connection:
                current = await connection.run_sync(_current)
                if engine.dialect.name != "postgresql":
                    return _state(current, None)
                clock = (await connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))).scalar_one()
                return _state(current, float(clock))
    finally:
        await engine.dispose()


def newest_revision() -> str:
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "there are migrations"
    return head


def is_known(revision: str) -> bool:
    """Whether this version of the cluster has a migration of this name."""
    return revision in {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def _state(current: str | None, clock_unix_s: float | None) -> SchemaState:
    return SchemaState(current, newest_revision(), current is None or is_known(current), clock_unix_s)


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
