"""A database into one file and back: SQLite by its online backup, PostgreSQL by its own programs. Blocking."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL

from cluster.runtime.backup.archive import flush_folder
from cluster.runtime.backup.manifest import BackupError

_PACKAGE = "Install PostgreSQL's client programs (Debian: postgresql-client), of the server's version or a newer one."
_CLEAR = """
SET lock_timeout = '30s';
DO $$ DECLARE found record; BEGIN
  FOR found IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('DROP TABLE public.%I CASCADE', found.tablename);
  END LOOP;
END $$;
DROP FUNCTION IF EXISTS public.audit_events_refuse() CASCADE;
"""
"""What a restore replaces, in one transaction with what comes in its place. It doesn't wait for gateways that still run."""
_SQLITE_BESIDE = ("-wal", "-shm")
"""SQLite's log and its index, by what follows the file's name."""
_BUSY_S = 1.0
"""How long another program may keep SQLite from ending its log, before the log is taken along as it is."""


def dump(url: URL, target: Path) -> None:
    """Write a consistent copy while the cluster may be running. Raises :class:`BackupError`."""
    if url.get_backend_name() == "sqlite":
        _dump_sqlite(Path(str(url.database)), target)
        return
    _run("pg_dump", url, ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"])


def load(url: URL, source: Path) -> None:
    """Put the copy in the place of what is there: all of it or nothing. Raises :class:`BackupError`.

    SQLite's former file stays beside it under another name. In PostgreSQL every table of the schema ``public`` is replaced.
    """
    if url.get_backend_name() == "sqlite":
        _load_sqlite(source, Path(str(url.database)))
        return
    clear, script = source.with_name("clear.sql"), source.with_name("restore.sql")
    _check_program("psql")
    _run("pg_restore", None, ["--no-owner", "--no-privileges", f"--file={script}", str(source)])
    clear.write_text(_CLEAR)
    options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    _run("psql", url, [*options, f"--file={clear}", f"--file={script}"])


def check(dialect: str, source: Path) -> None:
    """Whether a copy can be read as what it should be. Raises :class:`BackupError`."""
    if dialect == "sqlite":
        _check_sqlite(source)
        return
    _run("pg_restore", None, ["--list", str(source)])


def _dump_sqlite(source: Path, target: Path) -> None:
    if not source.exists():
        raise BackupError(f"there is no database {source}", "Is this the configuration of the cluster that you mean?")
    try:
        reader = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        copy = sqlite3.connect(target)
        try:
            # One step: a writer meanwhile would otherwise make it begin anew, again and again.
            reader.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode = DELETE")
        finally:
            reader.close()
            copy.close()
    except sqlite3.Error as error:
        raise BackupError(f"{source} can't be copied: {error}") from error
    _check_sqlite(target)


def _check_sqlite(path: Path) -> None:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BackupError(f"the copy of the database can't be read: {error}") from error
    if verdict != "ok":
        raise BackupError(f"the copy of the database is damaged: {verdict}")


def _load_sqlite(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = target.with_name(target.name + ".restoring")
        shutil.copyfile(source, draft)
        draft.chmod(0o600)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        if target.exists():
            _set_sqlite_aside(target)
        # A log of the former file must not be applied to this one.
        for suffix in _SQLITE_BESIDE:
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        draft.replace(target)
        flush_folder(target.parent)
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror}") from error


def set_aside(path: Path) -> Path:
    """Move what a restore replaces to a name of its own, so that a mistake can be undone by hand."""
    aside = path.with_name(f"{path.name}.replaced-{time.time_ns() // 1_000_000}")
    path.rename(aside)
    return aside


def _set_sqlite_aside(path: Path) -> None:
    """With the log, where something stands in it: SQLite finds it by the file's name."""
    _absorb_log(path)
    aside = set_aside(path)
    for suffix in _SQLITE_BESIDE:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))


def _absorb_log(path: Path) -> None:
    """Bring what stands in SQLite's log into the file itself; one that is damaged or in use stays beside it."""
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return


def _check_program(program: str) -> None:
    if shutil.which(program) is None:
        raise BackupError(f"{program} is not installed here", _PACKAGE)


def _run(program: str, url: URL | None, options: list[str]) -> None:
    """The password goes by the environment, which other users can't see."""
    _check_program(program)
    environment = dict(os.environ)
    if url is not None:
        environment |= _connection(url)
    done = subprocess.run(  # noqa: S603
        [program, *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        step = _PACKAGE if "version mismatch" in done.stderr or "unsupported version" in done.stderr else None
        raise BackupError(f"{program} failed: {'; '.join(lines[:2])[:500] or done.returncode}", step)


def _connection(url: URL) -> Mapping[str, str]:
    """libpq's variables for a URL. Parameters of asyncpg's own (``ssl``) have other names there."""
    given = {
        "PGHOST": url.host or _text(url.query.get("host")),
        "PGPORT": str(url.port) if url.port else _text(url.query.get("port")),
        "PGUSER": url.username,
        "PGPASSWORD": str(url.password) if url.password else None,
        "PGDATABASE": url.database,
        "PGSSLMODE": _text(url.query.get("sslmode") or url.query.get("ssl")),
    }
    return {name: value for name, value in given.items() if value}


def _text(value: str | tuple[str, ...] | None) -> str | None:
    return value[0] if isinstance(value, tuple) else value
