"""Make a backup, of a cluster that runs or of one that doesn't."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from cluster import __version__
from cluster.config.schema import ClusterConfig
from cluster.errors import StoreUnavailable
from cluster.runtime.backup import databases
from cluster.runtime.backup.archive import ArchiveWriter, verified
from cluster.runtime.backup.manifest import DATABASE, FORMAT, OBJECTS, SECRETS, BackupError, Manifest, Wanted
from cluster.runtime.preparation import SECRET_FILES, database_url
from cluster.store.database import parse_url
from cluster.store.errors import told_cause
from cluster.store.objects.folder import object_files
from cluster.store.objects.opening import folder_of
from cluster.store.revision import schema_state


async def create(config: ClusterConfig, target: Path, wanted: Wanted) -> Manifest:
    """Write the backup and read it again to check it. Raises :class:`BackupError`; there is no file then.

    The database is copied as it is at one moment, before the files: one uploaded meanwhile is in the backup without a row, and
    swept later; one deleted meanwhile is a row without a content.
    """
    url = database_url(config)
    try:
        state = await schema_state(url, config.database.timeout_s)
    except StoreUnavailable as error:
        step = "`ossature doctor` tells more."
        raise BackupError(f"the database can't be used ({told_cause(error)})", step) from error
    return await asyncio.to_thread(_create, config, target, wanted, url, state.current)


def _create(config: ClusterConfig, target: Path, wanted: Wanted, url: str, revision: str | None) -> Manifest:
    target = target.absolute()
    objects = folder_of(config.files.storage_url, config.data_dir / "files") if wanted.objects else None
    if wanted.objects and objects is None:
        raise BackupError(
            "files.storage_url is no folder: what is in an object store can't be taken along",
            "Leave the files out (--no-files), and let the store keep versions or copies of its own.",
        )
    parsed = parse_url(url)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder, ArchiveWriter(target) as archive:
            copy = Path(folder) / DATABASE
            databases.dump(parsed, copy)
            archive.add(DATABASE, copy)
            copy.unlink()
            for key in _listed(objects) if objects is not None else ():
                _add_object(archive, objects, key)  # type: ignore[arg-type]
            for name in SECRET_FILES if wanted.secrets else ():
                if (config.data_dir / name).exists():
                    archive.add(SECRETS + name, config.data_dir / name)
            manifest = Manifest(
                format=FORMAT,
                cluster=config.name,
                version=__version__,
                created_at=time.time(),
                dialect=parsed.get_backend_name(),
                schema_revision=revision,
                with_objects=wanted.objects,
                with_secrets=wanted.secrets,
                entries=archive.entries,
            )
            archive.finish(manifest)
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror or error}") from error
    try:
        return verified(target)
    except BackupError:
        target.unlink()
        raise


def _listed(folder: Path) -> list[str]:
    try:
        return list(object_files(folder))
    except OSError as error:
        raise BackupError(f"{error.filename} can't be listed: {error.strerror}", "Run this as the user that serves.") from error


def _add_object(archive: ArchiveWriter, folder: Path, key: str) -> None:
    try:
        archive.add(OBJECTS + key, folder / key)
    except FileNotFoundError:
        return  # deleted since it was listed, which is what will be seen after a restore, too
