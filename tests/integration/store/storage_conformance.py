"""What every object storage must do, as a program of its own: ``python -m tests.integration.store.storage_conformance URL``.

It needs the standard library, fsspec and the driver of the address alone, so that it runs in an environment of the driver's.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from cluster.store.objects.contract import ObjectMissing, ObjectStorage
from cluster.store.objects.opening import open_storage


async def put(storage: ObjectStorage, key: str, *pieces: bytes) -> None:
    writer = await storage.create(key)
    for piece in pieces:
        await writer.write(piece)
    await writer.commit()


async def got(storage: ObjectStorage, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in storage.read(key, start, end)])


async def missing(storage: ObjectStorage, key: str) -> bool:
    try:
        await got(storage, key, 0, 1)
    except ObjectMissing:
        return True
    return False


async def an_object_comes_back_whole_and_in_parts(storage: ObjectStorage) -> None:
    content = os.urandom(20 << 20)  # more than two parts of a multipart upload
    await put(storage, "org/large", *(content[start : start + (1 << 20)] for start in range(0, len(content), 1 << 20)))
    assert await got(storage, "org/large", 0, len(content)) == content
    assert await got(storage, "org/large", 9_999_999, 10_000_003) == content[9_999_999:10_000_003]
    pieces = [len(piece) async for piece in storage.read("org/large", 0, len(content))]
    assert max(pieces) <= 1 << 20


async def an_empty_object_is_an_object(storage: ObjectStorage) -> None:
    await put(storage, "org/empty")
    assert await got(storage, "org/empty", 0, 0) == b""
    assert "org/empty" in await storage.keys_before(time.time() + 60)


async def nothing_is_seen_before_the_commit_nor_after_an_abort(storage: ObjectStorage) -> None:
    for size in (10, 20 << 20):
        writer = await storage.create("org/aborted")
        await writer.write(b"x" * size)
        assert await missing(storage, "org/aborted")
        await writer.abort()
        await writer.abort()
        del writer
        assert await missing(storage, "org/aborted")
    assert "org/aborted" not in await storage.keys_before(time.time() + 60)


async def an_abort_after_the_commit_changes_nothing(storage: ObjectStorage) -> None:
    writer = await storage.create("org/kept")
    await writer.write(b"x")
    await writer.commit()
    await writer.abort()
    assert await got(storage, "org/kept", 0, 1) == b"x"


async def deleting_is_idempotent(storage: ObjectStorage) -> None:
    await put(storage, "org/deleted", b"x")
    await storage.delete("org/deleted")
    await storage.delete("org/deleted")
    await storage.delete("org/never")
    assert await missing(storage, "org/deleted")


async def keys_are_listed_by_age(storage: ObjectStorage) -> None:
    await put(storage, "org/a", b"x")
    await put(storage, "other/b", b"y")
    keys = await storage.keys_before(time.time() + 60)
    assert {"org/a", "other/b"} <= set(keys)
    assert await storage.keys_before(time.time() - 60) == []


async def what_is_no_key_is_refused(storage: ObjectStorage) -> None:
    for key in ("../x", "/etc/passwd", "a/../b", "a//b", "", "a/b/c/d/e", "A", "a.b", "a/"):
        for call in (storage.create, storage.delete, lambda key: got(storage, key, 0, 1)):
            try:
                await call(key)
            except ValueError:
                continue
            raise AssertionError(f"{key!r} was taken")


CHECKS: list[Callable[[ObjectStorage], Awaitable[None]]] = [
    an_object_comes_back_whole_and_in_parts,
    an_empty_object_is_an_object,
    nothing_is_seen_before_the_commit_nor_after_an_abort,
    an_abort_after_the_commit_changes_nothing,
    deleting_is_idempotent,
    keys_are_listed_by_age,
    what_is_no_key_is_refused,
]


async def check_all(url: str) -> None:
    for check in CHECKS:
        await check(open_storage(url, Path("/nowhere")))


if __name__ == "__main__":
    asyncio.run(check_all(sys.argv[1]))
    print(f"{len(CHECKS)} checks passed")  # noqa: T201 - it is a program
