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

logger = logging.getLogger(__name__)

_SQLALCHEMY_DEFECTS = (IntegrityError, ProgrammingError, DataError)
_SQLITE_DEFECTS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)


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
