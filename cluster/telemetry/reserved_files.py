"""Metric files whose space is reserved before it is written.

prometheus_client maps files with holes into memory. On a full disk a write into a hole isn't an error but SIGBUS, which kills the
process: a full data folder would end gateways and engines for the sake of their counters.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
from typing import Any

from prometheus_client import mmap_dict

logger = logging.getLogger(__name__)

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Numbers of the errors of a disk without room."""

_LENGTH_BYTES, _VALUE_BYTES = 4, 16
"""Of an entry: before and behind its padded key. The format is prometheus_client's, see its ``MmapedDict``."""


class ReservedFile(mmap_dict.MmapedDict):
    """Where the disk has no room, the values go on in this process's memory alone: they count, but no scrape sees them."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            with open(filename, "ab") as file:
                if not _reserve(file.fileno(), max(os.fstat(file.fileno()).st_size, mmap_dict._INITIAL_MMAP_SIZE)):
                    filename = _in_memory(filename)
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        encoded = len(key.encode())
        entry = _LENGTH_BYTES + encoded + (8 - (encoded + _LENGTH_BYTES) % 8) + _VALUE_BYTES
        capacity = self._capacity
        while self._used + entry > capacity:
            capacity *= 2
        if capacity > self._capacity and not _reserve(self._f.fileno(), capacity):
            self._go_on_in_memory(capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _go_on_in_memory(self, capacity: int) -> None:
        file = open(_in_memory(self._fname), "a+b")  # noqa: SIM115 - as long as this object lives
        file.truncate(capacity)
        values: Any = mmap.mmap(file.fileno(), capacity)
        values[: self._used] = self._m[: self._used]
        self._f, self._m, self._capacity = file, values, capacity


def _reserve(descriptor: int, size: int) -> bool:
    """Make room for the first ``size`` bytes of a file. ``False`` if the disk has none; raises ``OSError`` for other reasons."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        return False
    return True


def _in_memory(filename: str) -> str:
    """Path of a file that is on no disk and lives as long as this process."""
    logger.error("no room on the disk of %s: its metrics can't be scraped until this process starts anew", filename)
    return f"/proc/self/fd/{os.memfd_create(os.path.basename(filename))}"
