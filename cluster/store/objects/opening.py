"""From the setting to the storage."""

from __future__ import annotations

from pathlib import Path

from cluster.store.objects.contract import ObjectStorage
from cluster.store.objects.folder import FolderStorage


def open_storage(url: str | None, default_folder: Path) -> ObjectStorage:
    """``url``: a folder, ``file://…``, an address of fsspec's, or ``None`` for the default folder.

    Raises ``ValueError`` for an address that nobody knows, ``ImportError`` when its driver is not installed.
    """
    folder = folder_of(url, default_folder)
    if folder is not None:
        return FolderStorage(folder)
    assert url is not None, "the default is a folder"
    from cluster.store.objects.remote import RemoteStorage

    return RemoteStorage(url)


def folder_of(url: str | None, default_folder: Path) -> Path | None:
    """The folder that the setting names; ``None`` for an address of another kind."""
    if url is None:
        return default_folder
    if "://" not in url:
        return Path(url).resolve()
    return Path(url.removeprefix("file://")) if url.startswith("file://") else None
