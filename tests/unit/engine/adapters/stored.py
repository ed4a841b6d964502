"""Adapters in a folder that stands for the store of tuned models."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

from cluster.engine.contract import Adapter, AdapterFile
from cluster.errors import StoreUnavailable
from cluster.store.objects.folder import FolderStorage
from cluster.tuned.adapter_files import CONFIG_FILE, WEIGHTS_FILE, read_shape
from cluster.tuned.model import object_keys
from tests.unit.tuned.adapters import write_adapter


class FakeStorage(FolderStorage):
    """Counts what is read, and fails or waits on purpose."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []
        self.broken = False
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        self.reads.append(key)
        self.asked.set()
        await self.go.wait()
        if self.broken:
            raise StoreUnavailable("gone")
        async for piece in super().read(key, start, end):
            yield piece


async def put(storage: FolderStorage, files: Path, name: str, *, seed: int, hidden: int = 128, rank: int = 4) -> Adapter:
    """Write an adapter into the store, as registering it does."""
    folder = write_adapter(files / name, seed=seed, hidden=hidden, rank=rank)
    described = []
    for key, file in zip(object_keys(f"org_a/{name}"), (CONFIG_FILE, WEIGHTS_FILE), strict=True):
        content = (folder / file).read_bytes()
        writer = await storage.create(key)
        await writer.write(content)
        await writer.commit()
        described.append(AdapterFile(key, hashlib.sha256(content).hexdigest(), len(content)))
    return Adapter(name, read_shape(folder).rank, *described)
