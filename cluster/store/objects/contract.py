"""What keeps objects. Every method may raise :class:`~cluster.errors.StoreUnavailable`.

Keys are one or more segments of ``a-z 0-9 _ -``, joined by slashes, all made by the cluster: nothing that a caller wrote is ever
part of one. Objects don't change; there is no other way to overwrite one than to delete it first.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Final, Protocol

READ_BYTES: Final = 256 << 10
_SEGMENT: Final = r"[a-z0-9_-]{1,64}"
_KEY: Final = re.compile(rf"{_SEGMENT}(/{_SEGMENT}){{0,3}}")


class ObjectMissing(Exception):
    """There is no such object, or not any more."""


class ObjectWriter(Protocol):
    """One object being written. Nobody sees anything of it before :meth:`commit` has returned."""

    async def write(self, data: bytes) -> None: ...

    async def commit(self) -> None:
        """Return when the object is durable and can be read."""
        ...

    async def abort(self) -> None:
        """Leave nothing behind. Idempotent; after a commit it does nothing."""
        ...


class ObjectStorage(Protocol):
    """One place for objects, shared by all gateways."""

    async def create(self, key: str) -> ObjectWriter: ...

    def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` to before ``end``, some at a time. Raises :class:`ObjectMissing`."""
        ...

    async def delete(self, key: str) -> None:
        """Idempotent."""
        ...

    async def keys_before(self, unix_s: float) -> list[str]:
        """Keys of all objects that were completed before this time."""
        ...

    async def remove_unfinished(self, unix_s: float) -> int:
        """Remove what writers that died before this time have left; how much that was."""
        ...


def is_key(text: str) -> bool:
    """Whether an object could have this name."""
    return _KEY.fullmatch(text) is not None


def checked(key: str) -> str:
    """``key`` itself. Raises ``ValueError`` for what is none: a last wall in front of paths, not a way to validate input."""
    if not is_key(key):
        raise ValueError(f"{key[:100]!r} is no key of an object")
    return key
