"""What may go wrong between the cluster and its database."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cluster.errors import StoreUnavailable
from cluster.telemetry.redaction import redact

logger = logging.getLogger(__name__)

_TOLD_CHARS = 200

_SQLALCHEMY_DEFECTS = (IntegrityError, ProgrammingError, DataError)
_SQLITE_DEFECTS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)


def told_cause(error: StoreUnavailable) -> str:
    """What the driver has said, for operators: its error's name and first line. Callers of the API are not told."""
    cause = error.__cause__
    if isinstance(cause, DBAPIError) and cause.orig is not None:
        cause = cause.orig.__cause__ or cause.orig  # SQLAlchemy's asyncpg wraps it once more
    if cause is None:
        return error.message
    line = str(cause).partition("\n")[0]
    return redact(f"{type(cause).__name__}: {line}" if line else type(cause).__name__)[:_TOLD_CHARS]


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn failures of the database itself into :class:`StoreUnavailable`.

    Violated constraints and faulty statements pass unchanged: the first are answers, the second are defects. The driver's own
    text is chained, not shown to the caller. It is logged for debugging only: in an outage every request would repeat it, and the
    authenticator reports an outage once.
    """
    try:
        yield
    except (*_SQLALCHEMY_DEFECTS, *_SQLITE_DEFECTS):
        raise
    except (DBAPIError, sqlite3.Error, PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise  # SQLite's driver files faulty statements under operations
        logger.debug("database failure: %s: %s", type(cause).__name__, cause)
        raise StoreUnavailable("The cluster's database is unavailable. Try again.") from error
