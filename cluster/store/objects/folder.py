"""Objects as files of one folder. With several gateways on several machines it must be a file system that they share.

An object is written beside its place, flushed to the disk, and then moved there; the move is flushed too.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cluster.errors import StoreUnavailable
from cluster.store.objects.contract import READ_BYTES, ObjectMissing, checked, is_key

_UNFINISHED = "unfinished.d"
"""No key has a dot."""


class FolderStorage:
    """Implements :class:`~cluster.store.objects.contract.ObjectStorage`. Folders and files are their owner's alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def create(self, key: str) -> FolderWriter:
        return await asyncio.to_thread(FolderWriter, self._root, self._path(key))

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        path = self._path(key)
        file = await asyncio.to_thread(_opened, path, start)
        try:
            while start < end:
                with _store_errors():
                    data = await asyncio.to_thread(file.read, min(READ_BYTES, end - start))
                if not data:
                    raise ObjectMissing(key)
                start += len(data)
                yield data
        finally:
            file.close()

    async def delete(self, key: str) -> None:
        with _store_errors():
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def keys_before(self, unix_s: float) -> list[str]:
        return await asyncio.to_thread(self._keys_before, unix_s)

    async def remove_unfinished(self, unix_s: float) -> int:
        return await asyncio.to_thread(self._remove_unfinished, unix_s)

    def _path(self, key: str) -> Path:
        return self._root / checked(key)

    def _keys_before(self, unix_s: float) -> list[str]:
        keys: list[str] = []
        with _store_errors():
            for key in object_files(self._root):
                with suppress(FileNotFoundError):  # another gateway deleted it just now
                    if (self._root / key).stat().st_mtime < unix_s:
                        keys.append(key)
        return keys

    def _remove_unfinished(self, unix_s: float) -> int:
        removed = 0
        with _store_errors(), suppress(FileNotFoundError):
            for path in (self._root / _UNFINISHED).iterdir():
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < unix_s:
                        path.unlink()
                        removed += 1
        return removed


def object_files(root: Path) -> Iterator[str]:
    """Keys of all objects in such a folder, without what isn't finished, and without what is no object. Blocking.

    Raises ``OSError`` for a folder that can't be read: whoever counts on the list would take its objects for lost.
    """
    for folder, folders, names in os.walk(root, onerror=_raise_unless_gone):
        # What isn't finished, and what a file system puts there of its own, like lost+found.
        folders[:] = filter(is_key, folders)
        for name in names:
            if is_key(key := Path(folder, name).relative_to(root).as_posix()):
                yield key


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


class FolderWriter:
    """Made in a thread."""

    def __init__(self, root: Path, target: Path) -> None:
        self._target = target
        with _store_errors():
            unfinished = root / _UNFINISHED
            for folder in (root, unfinished, target.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path = unfinished / secrets.token_hex(16)
            self._file: BinaryIO | None = open(self._path, "xb", opener=_owners_alone)  # noqa: SIM115 - closed by commit or abort

    async def write(self, data: bytes) -> None:
        assert self._file is not None
        with _store_errors():
            await asyncio.to_thread(self._file.write, data)

    async def commit(self) -> None:
        await asyncio.to_thread(self._commit)

    async def abort(self) -> None:
        await asyncio.to_thread(self._abort)

    def _commit(self) -> None:
        assert self._file is not None
        with _store_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            # A link, unlike a rename, never replaces an object.
            os.link(self._path, self._target)
            self._path.unlink()
            self._file = None
            # The folder of an organization may be new as well.
            for folder in (self._target.parent, self._target.parent.parent):
                _flush_folder(folder)

    def _abort(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
            with _store_errors():
                self._path.unlink(missing_ok=True)


def _owners_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path, start: int) -> BinaryIO:
    with _store_errors():
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise ObjectMissing(path.name) from None
        file.seek(start)
        return file


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StoreUnavailable(
            "The cluster's file storage is full." if full else "The cluster's file storage is unavailable. Try again."
        ) from error
