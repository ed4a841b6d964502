"""Objects in whatever fsspec reaches by an address: S3 and its like, above all.

Credentials, regions and endpoints come from the environment, as each of its drivers documents (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, …): none is in an address. fsspec's calls block, so that each runs in a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

import fsspec

from cluster.errors import StoreUnavailable
from cluster.store.objects.contract import ObjectMissing, checked

PART_BYTES = 8 << 20
"""One part of a multipart upload: at 10,000 parts, S3's limit, a file may have 80 GiB. In memory once an upload."""

READ_BYTES = 1 << 20
_TIMES = ("LastModified", "last_modified", "mtime", "created")

P = ParamSpec("P")
_Result = TypeVar("_Result")


class RemoteStorage:
    """Implements :class:`~cluster.store.objects.contract.ObjectStorage`.

    What a writer that died leaves of a multipart upload is invisible; a lifecycle rule of the bucket removes it.
    """

    def __init__(self, url: str) -> None:
        """Raises ``ValueError`` for an address that fsspec has no driver for, ``ImportError`` when the driver is not installed."""
        # No listing may be older than a change by another gateway.
        self._files, root = fsspec.url_to_fs(url, use_listings_cache=False)
        self._root = root.rstrip("/")

    async def create(self, key: str) -> RemoteWriter:
        path = self._path(key)
        return RemoteWriter(await _in_thread(self._files.open, path, "wb", block_size=PART_BYTES))

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        path = self._path(key)
        while start < end:
            try:
                data: bytes = await _in_thread(self._files.cat_file, path, start=start, end=min(start + READ_BYTES, end))
            except FileNotFoundError:
                raise ObjectMissing(key) from None
            if not data:
                raise ObjectMissing(key)
            start += len(data)
            yield data

    async def delete(self, key: str) -> None:
        try:
            await _in_thread(self._files.rm_file, self._path(key))
        except FileNotFoundError:
            return

    async def keys_before(self, unix_s: float) -> list[str]:
        try:
            found: dict[str, dict[str, Any]] = await _in_thread(self._files.find, self._root, detail=True)
        except FileNotFoundError:
            return []
        prefix = len(self._root) + 1
        return [path[prefix:] for path, info in found.items() if _completed_at(info) < unix_s]

    async def remove_unfinished(self, unix_s: float) -> int:
        return 0

    def _path(self, key: str) -> str:
        return f"{self._root}/{checked(key)}"


class RemoteWriter:
    def __init__(self, file: Any) -> None:
        self._file: Any | None = file

    async def write(self, data: bytes) -> None:
        assert self._file is not None
        await _in_thread(self._file.write, data)

    async def commit(self) -> None:
        file, self._file = self._file, None
        assert file is not None
        try:
            await _in_thread(file.close)
        except BaseException:
            self._file = file
            raise

    async def abort(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            # Marked as closed, or its end as an object of Python would complete the upload.
            file.closed = True
            await _in_thread(file.discard)


async def _in_thread(call: Callable[P, _Result], *args: P.args, **kwargs: P.kwargs) -> _Result:
    with _store_errors():
        return await asyncio.to_thread(call, *args, **kwargs)


def _completed_at(info: dict[str, Any]) -> float:
    """Unix seconds. Without a time an object counts as new: better kept than lost."""
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return time.time()


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        # Each driver has errors of its own; none of their texts is for callers.
        raise StoreUnavailable("The cluster's file storage is unavailable. Try again.") from error
