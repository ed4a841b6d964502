"""Reads the files that prometheus_client's multi-process mode writes, while they are being written.

Layout (``prometheus_client/mmap_dict.py``): an int32 with the bytes in use, 4 bytes of padding, then entries of int32 key length,
UTF-8 JSON key padded to 8 bytes, two doubles (value, Unix time). Entries are only ever appended, each before the length that
covers it; so what has been parsed once stays where it is, and a scrape costs one ``unpack`` a value.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from cluster.telemetry.multiprocess import Owner

_LENGTH = struct.Struct("i")
_VALUE = struct.Struct("d")
_HEADER_BYTES = 8
_VALUE_BYTES = 16

GAUGE = "gauge"
HISTOGRAM = "histogram"
COUNTER = "counter"
SUMMARY = "summary"
KINDS = frozenset({GAUGE, HISTOGRAM, COUNTER, SUMMARY})


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One sample name with its labels. Interned by :class:`SeriesTable`, hence compared by identity.

    ``group`` are the labels without ``le``, which is ``bound``; ``mode`` is the ``multiprocess_mode`` of a gauge, else empty.
    """

    kind: str
    mode: str
    key: str
    family: str
    sample: str
    labels: dict[str, str]
    help: str
    group: tuple[tuple[str, str], ...]
    bound: float | None


class SeriesTable:
    """All series met so far, each parsed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Series] = {}

    def get(self, kind: str, mode: str, key: str) -> Series:
        """Raises ``ValueError`` when ``key`` is not a key of prometheus_client."""
        series = self._known.get((kind, mode, key))
        if series is None:
            series = self._known[kind, mode, key] = _parse(kind, mode, key)
        return series


def _parse(kind: str, mode: str, key: str) -> Series:
    family, sample, labels, help_text = json.loads(key)
    bound = float(labels["le"]) if kind == HISTOGRAM and "le" in labels else None
    group = tuple(sorted(item for item in labels.items() if bound is None or item[0] != "le"))
    return Series(kind, mode, key, family, sample, labels, help_text, group, bound)


@dataclass(frozen=True, slots=True)
class FileName:
    """``counter_<owner>.db``, ``gauge_<mode>_<owner>.db``."""

    kind: str
    mode: str
    owner: Owner

    @classmethod
    def parse(cls, name: str) -> FileName | None:
        """``None`` for names that are not prometheus_client's."""
        parts = name.removesuffix(".db").split("_")
        expected = 3 if parts[0] == GAUGE else 2
        if not name.endswith(".db") or parts[0] not in KINDS or len(parts) != expected:
            return None
        owner = Owner.parse(parts[-1])
        return None if owner is None else cls(parts[0], parts[1] if expected == 3 else "", owner)


class _Damaged(Exception):
    """The bytes do not have the layout."""


@dataclass(slots=True)
class ValueFile:
    """One file, with the positions of the values found so far.

    ``damage`` says what is wrong with a file that does not have the layout; values before the damage are still given.
    """

    path: Path
    name: FileName
    damage: str | None = None
    _inode: int = -1
    _parsed_bytes: int = _HEADER_BYTES
    _entries: list[tuple[Series, int]] = field(default_factory=list)

    def read(self, table: SeriesTable) -> list[tuple[Series, float]]:
        """The current values. Raises ``FileNotFoundError``."""
        with self.path.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            data = file.read()
        if inode != self._inode:
            self._inode, self._parsed_bytes, self._entries = inode, _HEADER_BYTES, []
        self.damage = None
        try:
            self._parse_new(data, table)
        except _Damaged as error:
            self.damage = f"{self.path.name}: {error}"
        unpack = _VALUE.unpack_from
        return [(series, unpack(data, position)[0]) for series, position in self._entries]

    def _parse_new(self, data: bytes, table: SeriesTable) -> None:
        """Parse the entries that were appended since the last read."""
        if len(data) < _HEADER_BYTES:
            return  # made this instant, or its writer died between making and sizing it
        used = _LENGTH.unpack_from(data)[0]
        if used > len(data):
            raise _Damaged(f"{used} bytes in use of {len(data)}")
        position = self._parsed_bytes
        while position < used:
            key_bytes = _LENGTH.unpack_from(data, position)[0]
            key_at = position + _LENGTH.size
            value_at = key_at + key_bytes + (8 - (key_bytes + _LENGTH.size) % 8)
            if key_bytes <= 0 or value_at + _VALUE_BYTES > used:
                raise _Damaged(f"entry at {position} reaches beyond {used}")
            try:
                series = table.get(self.name.kind, self.name.mode, data[key_at : key_at + key_bytes].decode())
            except (ValueError, TypeError, AttributeError) as error:
                raise _Damaged(f"key at {position} is not readable") from error
            self._entries.append((series, value_at))
            position = self._parsed_bytes = value_at + _VALUE_BYTES
