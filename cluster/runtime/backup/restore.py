"""Put a backup in the place of what a cluster has."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from cluster.config.schema import ClusterConfig
from cluster.errors import StoreUnavailable
from cluster.identity.audit import AT_COMMAND_LINE, AuditLog, Outcome
from cluster.runtime.backup import databases, folders
from cluster.runtime.backup.archive import flush_folder, verified
from cluster.runtime.backup.manifest import DATABASE, OBJECTS, SECRETS, BackupError, Manifest
from cluster.runtime.preparation import database_url, make_data_dir
from cluster.runtime.run_record import AlreadyRunning, kept_stopped, running
from cluster.store.database import Database, parse_url
from cluster.store.errors import told_cause
from cluster.store.objects.opening import folder_of
from cluster.store.revision import is_known, schema_state
from cluster.store.schema import upgrade


async def restore(config: ClusterConfig, source: Path, *, force: bool = False) -> Manifest:
    """Check the whole backup, then put it in place, and bring the database to this version's schema.

    Without ``force`` it is refused where there is data. A folder or SQLite file that is replaced stays beside its successor under
    another name. Raises :class:`BackupError`; what is wrong with the backup or the place is found before anything is touched.
    """
    if (run := running(config.data_dir)) is not None:
        raise BackupError(f"a cluster runs from {config.data_dir} (process {run.pid})", "End it with `ossature stop`.")
    url = database_url(config)
    make_data_dir(config.data_dir)
    with tempfile.TemporaryDirectory(dir=config.data_dir, prefix=".restore-") as folder:
        staged = Path(folder)
        manifest = await asyncio.to_thread(_staged, source, staged, parse_url(url).get_backend_name())
        try:
            with kept_stopped(config.data_dir):
                present = await _present(config, url, manifest)
                if present and not force:
                    step = "Restore into an empty place, or replace what is there with --force."
                    raise BackupError(f"there is data already: {', '.join(present)}", step)
                await asyncio.to_thread(_put_in_place, config, url, staged, manifest)
                await upgrade(url)
                await _noted(config, url, manifest)
        except AlreadyRunning as error:
            # One that was started since the first look, or so lately that it hasn't said so yet.
            raise BackupError(f"a cluster runs from {config.data_dir}: {error}", "End it with `ossature stop`.") from error
        except StoreUnavailable as error:
            raise BackupError(f"the database can't be used ({told_cause(error)})", "`ossature doctor`") from error
    return manifest


def _staged(source: Path, into: Path, dialect: str) -> Manifest:
    manifest = verified(source, into)
    if manifest.dialect != dialect:
        raise BackupError(
            f"the backup is of {manifest.dialect}, database.url names {dialect}", "Set database.url to one of its kind."
        )
    if manifest.schema_revision is not None and not is_known(manifest.schema_revision):
        raise BackupError(
            f"the backup has schema revision {manifest.schema_revision}, which this version doesn't know",
            f"Restore it with version {manifest.version} or a later one.",
        )
    databases.check(dialect, into / DATABASE)
    return manifest


async def _present(config: ClusterConfig, url: str, manifest: Manifest) -> list[str]:
    """What a restore would replace."""
    found = []
    if not (await schema_state(url, config.database.timeout_s)).empty:
        found.append("the database has tables")
    if manifest.with_objects:
        folder = _objects_folder(config)
        if folder.is_dir() and any(folder.iterdir()):
            found.append(f"there are files in {folder}")
    found += [f"there is {config.data_dir / name}" for name in _secrets(manifest) if (config.data_dir / name).exists()]
    return found


def _put_in_place(config: ClusterConfig, url: str, staged: Path, manifest: Manifest) -> None:
    try:
        # What is the likeliest to fail comes first: copying, then the database, which changes all or nothing.
        brought = folders.brought(staged / OBJECTS.rstrip("/"), _objects_folder(config)) if manifest.with_objects else None
        try:
            databases.load(parse_url(url), staged / DATABASE)
        except BaseException:
            if brought is not None:
                shutil.rmtree(brought)
            raise
        if brought is not None:
            folders.exchange(brought)
        for name in _secrets(manifest):
            target = config.data_dir / name
            if target.exists():
                databases.set_aside(target)
            os.replace(staged / SECRETS / name, target)
        flush_folder(config.data_dir)
    except OSError as error:
        raise BackupError(f"the files can't be put in place: {error.strerror or error}") from error


async def _noted(config: ClusterConfig, url: str, manifest: Manifest) -> None:
    database = Database.open(url, config.database)
    try:
        details = {"created_at": f"{manifest.created_at:.0f}", "version": manifest.version}
        async with database.transaction() as session:
            session.add(AuditLog(database).row("restore_backup", Outcome.DONE, AT_COMMAND_LINE, details=details))
    finally:
        await database.close()


def _secrets(manifest: Manifest) -> list[str]:
    return [name.removeprefix(SECRETS) for name in manifest.entries if name.startswith(SECRETS)]


def _objects_folder(config: ClusterConfig) -> Path:
    folder = folder_of(config.files.storage_url, config.data_dir / "files")
    if folder is None:
        raise BackupError("files.storage_url is no folder, and the backup holds files", "Set it to a folder.")
    return folder
