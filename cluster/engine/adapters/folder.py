"""Adapter files on the replica's own disk: fetched when they are first needed, checked, bounded, the least lately used go first.

An adapter is a folder that is named by the digests of its files. It is written beside its place and moved there when both digests
are right, so that whatever stands there is whole. Nothing is deleted that a request is using: an engine reads an adapter again
when it had to make room for others, and one that is not there then would end the engine.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cluster.engine.adapters.errors import AdapterUnreachable, AdapterUnusable
from cluster.engine.contract import Adapter, AdapterFile
from cluster.errors import StoreUnavailable
from cluster.store.objects.contract import ObjectMissing, ObjectStorage
from cluster.tuned.adapter_files import CONFIG_FILE, WEIGHTS_FILE

_INCOMING = "incoming-"
_LOCK = "lock"
SETTLE_S = 5.0
"""A request that was broken off may still be scheduled once more before the engine has heard of it."""
MAX_SLOTS = 1024


@dataclass(slots=True, eq=False)
class _Entry:
    """``users``: requests that need the files to stay; the last one went at ``released_s``, by a steady clock.

    ``checked``: the digests were found right in this life of the process.
    """

    size_bytes: int
    users: int = 0
    checked: bool = False
    released_s: float = float("-inf")


class AdapterFolder:
    """Used on one event loop. ``root`` is this process's alone (:func:`claim`); what an earlier one left there is used again."""

    def __init__(
        self,
        root: Path,
        storage: ObjectStorage,
        capacity_bytes: int,
        on_size: Callable[[int], None] | None = None,
        settle_s: float = SETTLE_S,
    ) -> None:
        """``on_size`` is told how many bytes there are, whenever that changes. ``settle_s``: how long files stay in any case."""
        self._settle_s = settle_s
        self._root = root
        self._storage = storage
        self._capacity_bytes = capacity_bytes
        self._on_size = on_size or (lambda size_bytes: None)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # by name of the folder, least lately used first
        self._fetches: dict[str, asyncio.Task[None]] = {}
        self._reserved_bytes = 0  # for what is being fetched
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Find what is there already. May raise ``OSError``."""
        found = await asyncio.to_thread(_found, self._root)
        self._entries.update((name, _Entry(size_bytes)) for name, size_bytes in found)
        await self._make_room(0)

    async def close(self) -> None:
        """Break off what is being fetched."""
        fetches = list(self._fetches.values())
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self._entries.values())

    async def pin(self, adapter: Adapter) -> Path:
        """The folder with the adapter's files, which stay until :meth:`unpin`.

        Raises :class:`AdapterUnusable`, :class:`AdapterUnreachable`.
        """
        name = folder_name(adapter)
        while True:
            entry = self._entries.get(name)
            if entry is not None and entry.checked:
                entry.users += 1
                self._entries.move_to_end(name)
                return self._root / name
            # One fetch for all that want it; whoever gives up waiting does not break it off for the others.
            fetch = self._fetches.get(name)
            if fetch is None:
                fetch = self._fetches[name] = asyncio.create_task(self._fetch(name, adapter))
                fetch.add_done_callback(lambda done: self._fetched(name, done))
            await asyncio.shield(fetch)

    def unpin(self, adapter: Adapter) -> None:
        """One user less."""
        entry = self._entries[folder_name(adapter)]
        entry.users -= 1
        entry.released_s = time.monotonic()

    # --- parts of the above -----------------------------------------------------------------------------------------------

    def _fetched(self, name: str, fetch: asyncio.Task[None]) -> None:
        del self._fetches[name]
        if not fetch.cancelled():
            fetch.exception()  # those who wait have it; there may be none left

    async def _fetch(self, name: str, adapter: Adapter) -> None:
        entry = self._entries.get(name)
        if entry is not None:
            # Left by an earlier life of this replica.
            if await asyncio.to_thread(_is_whole, self._root / name, adapter):
                entry.checked = True
                return
            del self._entries[name]
            await asyncio.to_thread(shutil.rmtree, self._root / name, ignore_errors=True)
        if adapter.size_bytes > self._capacity_bytes:
            raise AdapterUnusable(f"The model's adapter has {adapter.size_bytes} bytes, more than a replica of its base may keep.")
        async with self._turn:
            await self._make_room(adapter.size_bytes)
            self._reserved_bytes += adapter.size_bytes
        incoming = self._root / f"{_INCOMING}{secrets.token_hex(8)}"
        try:
            await asyncio.to_thread(incoming.mkdir, mode=0o700)
            await self._download(adapter.config, incoming / CONFIG_FILE)
            await self._download(adapter.weights, incoming / WEIGHTS_FILE)
            await asyncio.to_thread(incoming.rename, self._root / name)
            self._entries[name] = _Entry(adapter.size_bytes, checked=True, released_s=time.monotonic())
        except OSError:
            raise AdapterUnreachable("The replica's disk could not take the model's adapter. Please retry later.") from None
        finally:
            self._reserved_bytes -= adapter.size_bytes
            await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)
        self._on_size(self.size_bytes)

    async def _make_room(self, needed_bytes: int) -> None:
        """For so many bytes more. Raises :class:`AdapterUnreachable`; for none it does what it can."""
        while self.size_bytes + self._reserved_bytes + needed_bytes > self._capacity_bytes:
            idle = [(name, entry) for name, entry in self._entries.items() if not entry.users and name not in self._fetches]
            settled_s = time.monotonic() - self._settle_s
            victim = next((name for name, entry in idle if entry.released_s <= settled_s), None)
            if victim is not None:
                del self._entries[victim]
                await asyncio.to_thread(shutil.rmtree, self._root / victim, ignore_errors=True)
                self._on_size(self.size_bytes)
            elif idle:
                await asyncio.sleep(max(0.0, min(entry.released_s for _, entry in idle) - settled_s))
            elif needed_bytes:
                raise AdapterUnreachable("The replica's folder for adapters is full of those that are in use. Please retry later.")
            else:
                return

    async def _download(self, file: AdapterFile, target: Path) -> None:
        seen = hashlib.sha256()
        size_bytes = 0
        handle = await asyncio.to_thread(target.open, "xb")
        try:
            async with aclosing(self._storage.read(file.key, 0, file.size_bytes)) as pieces:
                async for piece in pieces:
                    size_bytes += len(piece)
                    await asyncio.to_thread(_write, handle, seen, piece)
        except ObjectMissing:
            raise AdapterUnusable("The files of the model's adapter are missing.") from None
        except StoreUnavailable:
            raise AdapterUnreachable("The store of tuned models is unavailable. Please retry later.") from None
        finally:
            await asyncio.to_thread(handle.close)
        if size_bytes != file.size_bytes or seen.hexdigest() != file.sha256:
            raise AdapterUnusable("The files of the model's adapter are damaged: their digest is not the one that was registered.")


def folder_name(adapter: Adapter) -> str:
    """Equal for equal files, whatever the models are called."""
    return hashlib.sha256(f"{adapter.config.sha256}/{adapter.weights.sha256}".encode()).hexdigest()[:40]


def claim(parent: Path) -> tuple[Path, BinaryIO]:
    """A folder under ``parent`` that no other process has, and the open file that holds it until it is closed or the process ends.

    The first free of ``slot-0``, ``slot-1``, …: what a replica before has left is found again. Blocks. May raise ``OSError``.
    """
    for number in range(MAX_SLOTS):
        slot = parent / f"slot-{number}"
        slot.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (slot / _LOCK).open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return slot, lock
    raise OSError(f"all {MAX_SLOTS} folders for adapters under {parent} are taken")


def _found(root: Path) -> list[tuple[str, int]]:
    """Names and sizes of what an earlier life has left, least lately used first; what it left unfinished is deleted."""
    found: list[tuple[float, str, int]] = []
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in root.iterdir():
        if path.name.startswith(_INCOMING):
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir():
            stats = [file.stat() for file in path.iterdir()]
            found.append((max([stat.st_atime for stat in stats], default=0.0), path.name, sum(stat.st_size for stat in stats)))
    return [(name, size_bytes) for _, name, size_bytes in sorted(found)]


def _is_whole(folder: Path, adapter: Adapter) -> bool:
    for name, file in ((CONFIG_FILE, adapter.config), (WEIGHTS_FILE, adapter.weights)):
        try:
            with (folder / name).open("rb") as content:
                if os.fstat(content.fileno()).st_size != file.size_bytes:
                    return False
                if hashlib.file_digest(content, "sha256").hexdigest() != file.sha256:
                    return False
        except OSError:
            return False
    return True


def _write(handle: BinaryIO, seen: hashlib._Hash, piece: bytes) -> None:
    seen.update(piece)
    handle.write(piece)
