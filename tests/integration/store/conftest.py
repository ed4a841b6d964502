"""Both databases, each test with one of its own. PostgreSQL is the one of ``scripts/services.py``."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import make_url

from cluster.config.settings.database import DatabaseSettings
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.schema import upgrade

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ROOT / "scripts" / "services.py"
ADMIN = Principal(org_id="", project_id="", key_id="key_" + "0" * 32, admin=True)


def services(verb: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SERVICES, verb, "--json"], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The server's own database; tests make others beside it."""
    status = json.loads(services("status").stdout or "{}").get("postgres", {})
    if not status.get("running"):
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL does not run, and in CI no test starts it: run `make services` first", pytrace=False)
        started = services("start")
        if started.returncode != 0:
            pytest.fail(f"PostgreSQL can't be started: {started.stderr}", pytrace=False)
        status = json.loads(started.stdout)["postgres"]
    return str(status["url"])


async def execute(postgres_url: str, statement: str) -> None:
    url = make_url(postgres_url)
    connection = await asyncpg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def named(postgres_url: str, name: str) -> str:
    return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_template(postgres_url: str) -> AsyncIterator[str]:
    """A migrated database to copy, which is faster than to migrate each."""
    name = f"template_{secrets.token_hex(8)}"
    await execute(postgres_url, f"CREATE DATABASE {name}")
    await upgrade(named(postgres_url, name))
    yield name
    await execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def _postgres_copy(postgres_url: str, template: str) -> AsyncIterator[str]:
    name = f"test_{secrets.token_hex(8)}"
    await execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield named(postgres_url, name)
    await execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture
async def empty_postgres_url(postgres_url: str) -> AsyncIterator[str]:
    async for url in _postgres_copy(postgres_url, "template0"):
        yield url


@pytest_asyncio.fixture
async def fresh_postgres_url(postgres_url: str, postgres_template: str) -> AsyncIterator[str]:
    """A migrated PostgreSQL database without rows."""
    async for url in _postgres_copy(postgres_url, postgres_template):
        yield url


@pytest_asyncio.fixture
async def fresh_sqlite_url(tmp_path: Path) -> str:
    """A migrated SQLite database without rows."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'cluster.db'}"
    await upgrade(url)
    return url


@pytest.fixture
def empty_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database without any table, of each kind in turn."""
    if dialect == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest) -> str:
    """A migrated database without rows, of each kind in turn."""
    return str(request.getfixturevalue(f"fresh_{'postgres' if dialect == 'postgresql' else 'sqlite'}_url"))


@pytest_asyncio.fixture
async def open_database(database_url: str) -> AsyncIterator[Callable[[], Database]]:
    """Opens the test's database as another gateway would: with connections of its own."""
    opened: list[Database] = []

    def open_another() -> Database:
        opened.append(Database.open(database_url, DatabaseSettings()))
        return opened[-1]

    yield open_another
    for database in opened:
        await database.close()


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


@pytest.fixture
def admin() -> Principal:
    return ADMIN
