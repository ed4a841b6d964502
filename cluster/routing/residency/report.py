"""What a replica tells its gateways of its prefix cache: numbered reports, and their entries as bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from cluster.routing.chain import HASH_BYTES

_ENTRY = struct.Struct(f"<{HASH_BYTES}si")

ENTRY_BYTES = _ENTRY.size


class Report(msgspec.Struct, frozen=True, array_like=True):
    """``entries`` of the state ``number`` of one ``epoch``; later numbers replace what earlier ones said of the same hash.

    ``whole``: there is nothing but these; otherwise they follow the state before. An epoch begins when the replica's knowledge
    does. Without ``known`` the replica has lost track of its engine, and its gateways are left to what they believe themselves.
    """

    epoch: int
    number: int
    entries: bytes
    whole: bool = False
    known: bool = True


class Subscribe(msgspec.Struct, frozen=True, array_like=True):
    """A gateway asks to be told everything after the state ``number`` of ``epoch``."""

    epoch: int = 0
    number: int = -1


def pack(entries: Mapping[bytes, int] | Iterable[tuple[bytes, int]]) -> bytes:
    """Tokens by chain hash → bytes, 20 for each."""
    pairs = entries.items() if isinstance(entries, Mapping) else entries
    return b"".join([_ENTRY.pack(name, tokens) for name, tokens in pairs])


def unpack(entries: bytes) -> Iterator[tuple[bytes, int]]:
    """The reverse of :func:`pack`. Raises ``ValueError`` for bytes that :func:`pack` can't have made."""
    if len(entries) % ENTRY_BYTES:
        raise ValueError(f"{len(entries)} bytes are no whole number of entries")
    yield from _ENTRY.iter_unpack(entries)
