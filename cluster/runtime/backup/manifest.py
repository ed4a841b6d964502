"""What a backup says of itself: where it comes from, and each file in it with its digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

FORMAT: Final = 1
NAME: Final = "manifest.json"
"""The archive's last member: whatever has none was never finished."""
DATABASE: Final = "database"
OBJECTS: Final = "objects/"
SECRETS: Final = "secrets/"


class BackupError(Exception):
    """A backup can't be made, read or restored. ``next_step``: what to do about it."""

    def __init__(self, message: str, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class Entry(msgspec.Struct, frozen=True):
    """One file. ``sha256``: hexadecimal."""

    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``schema_revision``: of the database, ``None`` for one without tables. ``with_objects``: also when there were none."""

    format: int
    cluster: str
    version: str
    created_at: float
    dialect: str
    schema_revision: str | None
    with_objects: bool
    with_secrets: bool
    entries: dict[str, Entry]

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.entries.values())

    def count(self, prefix: str) -> int:
        return sum(name.startswith(prefix) for name in self.entries)

    def to_json(self) -> dict[str, Any]:
        """A summary for people and scripts."""
        return {
            "cluster": self.cluster,
            "version": self.version,
            "created_at": self.created_at,
            "database": self.dialect,
            "schema_revision": self.schema_revision,
            "objects": self.count(OBJECTS) if self.with_objects else None,
            "secrets": self.count(SECRETS) if self.with_secrets else None,
            "size_bytes": self.size_bytes,
        }


def decode(data: bytes) -> Manifest:
    """Raises :class:`BackupError`."""
    try:
        version = msgspec.json.decode(data, type=_Versioned).format
        if version != FORMAT:
            raise BackupError(
                f"the backup has format {version}, this version reads {FORMAT}", "Use the version of the cluster that made it."
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BackupError(f"{NAME} can't be read: {error}") from error


class _Versioned(msgspec.Struct):
    format: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to take along besides the database."""

    objects: bool
    secrets: bool
