"""The file of a backup: a plain tar, every member of which the manifest names with its digest. Blocking; call it from a thread."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cluster.runtime.backup.manifest import DATABASE, NAME, OBJECTS, SECRETS, BackupError, Entry, Manifest, decode
from cluster.runtime.preparation import SECRET_FILES
from cluster.store.objects.contract import is_key

COPY_BYTES = 1 << 20
_SECRETS = frozenset(SECRETS + name for name in SECRET_FILES)


class ArchiveWriter:
    """Writes beside the target, and moves there when all of it is on the disk. Readable by its owner alone."""

    def __init__(self, target: Path) -> None:
        """Raises :class:`BackupError`: there is such a file, or it can't be written."""
        self._target = target
        if target.exists():
            raise BackupError(f"{target} exists already", "Name another file; a backup is never written over.")
        try:
            # Under a name that nobody else can have put there, who would then own the file or lead it elsewhere.
            descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
        except OSError as error:
            raise BackupError(f"nothing can be written to {target.parent}: {error.strerror}") from error
        self._draft = Path(draft)
        self._file = os.fdopen(descriptor, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self.entries: dict[str, Entry] = {}
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._finished:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def add(self, name: str, path: Path) -> None:
        """Raises ``FileNotFoundError`` when there is no such file (any more), :class:`BackupError` when it can't be copied."""
        try:
            source = path.open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise BackupError(f"{path} can't be read: {error.strerror}") from error
        with source:
            size = os.fstat(source.fileno()).st_size
            info = tarfile.TarInfo(name)
            info.size, info.mode = size, 0o600
            reader = _Digesting(source)
            try:
                self._tar.addfile(info, reader)
            except OSError as error:
                # Shorter than it was, or the disk is full: either way there is no backup.
                raise BackupError(f"{path} can't be copied into the backup: {error}") from error
        self.entries[name] = Entry(size, reader.digest())

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, and let the file appear under its name."""
        data = manifest.encode()
        info = tarfile.TarInfo(NAME)
        info.size, info.mode = len(data), 0o600
        try:
            self._tar.addfile(info, io.BytesIO(data))
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._draft.rename(self._target)
            flush_folder(self._target.parent)
        except OSError as error:
            raise BackupError(f"{self._target} can't be written: {error.strerror}") from error
        self._finished = True


def verified(source: Path, into: Path | None = None) -> Manifest:
    """The manifest, after every member was compared with it; with ``into``, members are unpacked there, too.

    Nothing of a name that the manifest doesn't allow is ever written. Raises :class:`BackupError`.
    """
    found: dict[str, Entry] = {}
    manifest: Manifest | None = None
    with _opened(source) as tar:
        for member in tar:
            if manifest is not None:
                raise BackupError(f"{source} goes on behind its manifest")
            stream = tar.extractfile(member) if member.isreg() else None
            if stream is None:
                raise BackupError(f"{source}: {member.name!r} is no plain file")
            if member.name == NAME:
                manifest = decode(stream.read())
                continue
            _check_name(member.name)
            found[member.name] = _unpacked(stream, member.size, None if into is None else into / member.name)
    if manifest is None:
        raise BackupError(f"{source} has no manifest: it is no backup, or one that was never finished")
    if found != manifest.entries:
        wrong = sorted(
            {name for name, entry in {**found, **manifest.entries}.items() if manifest.entries.get(name) != found.get(name)}
        )
        raise BackupError(f"{source} is damaged: {', '.join(wrong[:3])} differs from the manifest", "Use another backup.")
    return manifest


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, mode="r:") as tar:
            yield tar
    except FileNotFoundError:
        raise BackupError(f"there is no {source}") from None
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{source} can't be read as a backup: {error}", "Use another backup.") from error
    except OSError as error:
        raise BackupError(f"{source} can't be read or unpacked: {error.strerror or error}") from error


def _check_name(name: str) -> None:
    known = name == DATABASE or name in _SECRETS or (name.startswith(OBJECTS) and is_key(name.removeprefix(OBJECTS)))
    if not known:
        raise BackupError(f"the archive holds {name[:100]!r}, which no backup has")


def _unpacked(stream: IO[bytes], size: int, target: Path | None) -> Entry:
    digest = hashlib.sha256()
    file = None
    if target is not None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    try:
        while block := stream.read(COPY_BYTES):
            digest.update(block)
            if file is not None:
                file.write(block)
        if file is not None:
            file.flush()
            os.fsync(file.fileno())
    finally:
        if file is not None:
            file.close()
    return Entry(size, digest.hexdigest())


def flush_folder(folder: Path) -> None:
    """Make a rename in it durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Digesting(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        return self._hash.hexdigest()
