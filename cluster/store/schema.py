"""Bring a database to the newest schema, however many processes start at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from cluster.store.database import SQLITE_WRITE, create_engine, parse_url
from cluster.store.errors import store_errors

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x6F737361
"""PostgreSQL advisory lock that serializes migrations ("ossa")."""


async def upgrade(url: str, timeout_s: float = 300.0) -> None:
    """Apply all migrations that ``url`` lacks, in one transaction: all or none.

    Processes that start together wait for one another (``timeout_s`` seconds at most); the later ones find nothing to do. Raises
    ``ValueError`` for a bad URL, :class:`StoreUnavailable` when the database is unavailable.
    """
    parsed = parse_url(url)
    # Rebuilding a table, SQLite's way to alter one, must not cascade into the rows that refer to it.
    engine = create_engine(parsed, timeout_s=timeout_s, pool_size=None, foreign_keys=False)
    try:
        with store_errors():
            async with engine.execution_options(sqlite_begin=SQLITE_WRITE).begin() as connection:
                if engine.dialect.name == "postgresql":
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
                await connection.run_sync(_apply)
                if engine.dialect.name == "sqlite":
                    broken = (await connection.execute(text("PRAGMA foreign_key_check"))).all()
                    if broken:
                        raise RuntimeError(f"the migration would leave {len(broken)} rows without what they refer to")
    finally:
        await engine.dispose()


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _apply(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")
