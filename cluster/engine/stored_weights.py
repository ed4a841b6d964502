"""Weights from the store of tuned models, as a folder on this node that an engine can load.

A store that is a folder is linked to; from any other the files are fetched. Either way every digest is checked before the engine
sees the folder, which is named by that of its manifest. Replicas of one node share it, by a lock that each holds for its life; what
none has used for a week goes.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
import shutil
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cluster.store.objects.contract import ObjectMissing, ObjectStorage
from cluster.tuned.weights import BadManifest, Manifest, StoredWeights, WeightFile, file_key, manifest_key, sha256_of

logger = logging.getLogger(__name__)

_LOCK: Final = ".lock"
_TURN: Final = ".turn"
_INCOMING: Final = ".incoming"
_UNUSED_S: Final = 7 * 86400.0
"""A model that was only restarted must find its files again; one that was deleted is not asked for any more."""


class WeightsUnusable(Exception):
    """The store has not the weights that the registry tells of."""


@dataclass(frozen=True, slots=True)
class PlacedWeights:
    """``folder`` stays until :meth:`release`, or the end of the process."""

    folder: Path
    _lock: BinaryIO

    def release(self) -> None:
        """Idempotent."""
        self._lock.close()


async def place(weights: StoredWeights, storage: ObjectStorage, stored_in: Path | None, root: Path) -> PlacedWeights:
    """Have the files below ``root``. ``stored_in``: the store's own folder, if it is one.

    Raises :class:`WeightsUnusable` for files that are missing or not as registered, :class:`~cluster.errors.StoreUnavailable` and
    ``OSError`` for what may go better another time.
    """
    began_s = time.monotonic()
    manifest = await _manifest(weights, storage)
    folder = root / weights.manifest_sha256
    lock = await asyncio.to_thread(_in_use, folder)
    try:
        with await asyncio.to_thread(_turn, folder):
            if not await asyncio.to_thread(_is_whole, folder, manifest):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                await _bring(weights, manifest, storage, stored_in, folder)
    except BaseException:
        lock.close()
        raise
    await asyncio.to_thread(_sweep, root, weights.manifest_sha256)
    logger.info("%d bytes of weights are in place after %.1f s", manifest.size_bytes, time.monotonic() - began_s)
    return PlacedWeights(folder, lock)


async def _manifest(weights: StoredWeights, storage: ObjectStorage) -> Manifest:
    try:
        async with aclosing(storage.read(manifest_key(weights.location), 0, weights.manifest_bytes)) as pieces:
            raw = b"".join([piece async for piece in pieces])
        if sha256_of(raw) != weights.manifest_sha256:
            raise WeightsUnusable("The list of the model's files is damaged in the store.")
        return Manifest.of(raw)
    except (ObjectMissing, BadManifest) as error:
        raise WeightsUnusable("The model's files are missing in the store, or their list is damaged.") from error


async def _bring(weights: StoredWeights, manifest: Manifest, storage: ObjectStorage, stored_in: Path | None, folder: Path) -> None:
    incoming = folder.with_name(folder.name + _INCOMING)
    # Left by a process that was killed; in its turn nobody else writes there.
    await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)
    try:
        await asyncio.to_thread(incoming.mkdir, mode=0o700)
        for number, file in enumerate(manifest.files):
            key = file_key(weights.location, number)
            if stored_in is not None:
                await asyncio.to_thread((incoming / file.name).symlink_to, (stored_in / key).resolve())
            else:
                await _fetch(storage, key, file, incoming / file.name)
        if stored_in is not None and not await asyncio.to_thread(_is_whole, incoming, manifest):
            raise WeightsUnusable("The model's files are missing or damaged in the store.")
        await asyncio.to_thread(incoming.rename, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)


async def _fetch(storage: ObjectStorage, key: str, file: WeightFile, target: Path) -> None:
    seen = hashlib.sha256()
    try:
        with await asyncio.to_thread(target.open, "xb") as out:
            if file.size_bytes:
                async with aclosing(storage.read(key, 0, file.size_bytes)) as pieces:
                    async for piece in pieces:
                        seen.update(piece)
                        await asyncio.to_thread(out.write, piece)
    except ObjectMissing as error:
        raise WeightsUnusable(f"The model's file {file.name} is missing in the store.") from error
    if seen.hexdigest() != file.sha256:
        raise WeightsUnusable(f"The model's file {file.name} is damaged in the store.")


def _is_whole(folder: Path, manifest: Manifest) -> bool:
    """Whether all files are there with their digests; reads all of them."""
    try:
        return all(_digest(folder / file.name) == file.sha256 for file in manifest.files)
    except FileNotFoundError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_use(folder: Path) -> BinaryIO:
    """Keep the folder from being swept, with all others that use it."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = open(folder.with_name(folder.name + _LOCK), "ab")  # noqa: SIM115 - held for the replica's life
    fcntl.flock(file, fcntl.LOCK_SH)
    os.utime(file.fileno())
    return file


def _turn(folder: Path) -> BinaryIO:
    """To look at the folder and bring its files, one process at a time; waits for the others."""
    file = open(folder.with_name(folder.name + _TURN), "ab")  # noqa: SIM115 - the caller's to close
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _sweep(root: Path, own: str) -> None:
    """Remove what no replica has used for long. The locks stay: one that is removed could be held by two."""
    for path in root.glob(f"*{_LOCK}"):
        name = path.name.removesuffix(_LOCK)
        if name == own or not (root / name).exists() or path.stat().st_mtime > time.time() - _UNUSED_S:
            continue
        with path.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(root / name)
