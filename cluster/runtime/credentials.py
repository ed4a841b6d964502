"""The first keys of a cluster: an admin key always, an organization with a key where the configuration asks for one."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cluster.config.schema import ClusterConfig
from cluster.errors import Conflict, StoreUnavailable
from cluster.identity import bootstrap
from cluster.identity.secrets import new_secret
from cluster.runtime.preparation import CREDENTIALS_FILE, StartError
from cluster.store.database import Database
from cluster.store.errors import told_cause
from cluster.store.schema import upgrade


async def provide(config: ClusterConfig) -> tuple[str | None, str]:
    """Bring the database up to date and return (development API key or None, admin key), the same ones at every start.

    The admin key is the one that the configuration gives, else one of our own.

    Raises ``StartError`` when the database can't be used or one of the keys was revoked.
    """
    assert config.database.url is not None, "a prepared configuration names its database"
    url = config.database.url.get_secret_value()
    path = config.data_dir / CREDENTIALS_FILE
    api_key, own_admin_key = _remembered(path)
    given = config.identity.admin_key
    admin_key = own_admin_key if given is None else given.get_secret_value()
    organization = config.identity.development_organization
    try:
        await upgrade(url)
        database = Database.open(url, config.database)
        try:
            await bootstrap.ensure_admin_key(database, admin_key)
            if organization is not None:
                await bootstrap.ensure_organization(database, organization, api_key)
        finally:
            await database.close()
    except StoreUnavailable as error:
        raise StartError(f"database: it can't be used ({told_cause(error)}). `ossature doctor` tells more.") from error
    except (OSError, ValueError) as error:
        raise StartError(f"database: {error}") from error
    except Conflict as error:
        if given is not None:
            raise StartError(f"identity.admin_key or {path}: {error.message}") from error
        raise StartError(f"{path}: {error.message} Remove the file to have new keys made.") from error
    return (api_key if organization is not None else None), admin_key


def _remembered(path: Path) -> tuple[str, str]:
    """The secrets of the first start; made and written, readable by their owner alone, when there are none."""
    try:
        stored = json.loads(path.read_text())
        return stored["api_key"], stored["admin_key"]
    except FileNotFoundError:
        stored = {"api_key": new_secret(admin=False), "admin_key": new_secret(admin=True)}
    except (ValueError, KeyError, TypeError):
        raise StartError(f"{path} can't be read as credentials; remove it to have new keys made.") from None
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(stored, file)
    return stored["api_key"], stored["admin_key"]
