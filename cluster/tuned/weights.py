"""Weights of a tuned model that is served by itself: which files they are, and how a model's ``source`` names them.

The files of one such model lie in the store of tuned models under its location: a manifest, which lists them with their digests,
and each of them by its place in that list. So the manifest's digest stands for all of their bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import msgspec

MAX_FILES: Final = 1000

_SOURCE: Final = re.compile(r"tuned:(?P<location>[a-z0-9_/-]+)#(?P<sha256>[0-9a-f]{64})\.(?P<bytes>[0-9]{1,9})")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


class BadManifest(Exception):
    """What the store has is no manifest of weights."""


class WeightFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sha256``: hexadecimal."""

    name: str
    sha256: str
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of one folder, without others below it, sorted by name."""

    files: list[WeightFile]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def of(cls, raw: bytes) -> Manifest:
        """Raises :class:`BadManifest`, also for a name that would leave the folder."""
        try:
            found = msgspec.json.decode(raw, type=cls)
        except msgspec.DecodeError as error:
            raise BadManifest(str(error)) from None
        if not found.files or len(found.files) > MAX_FILES:
            raise BadManifest(f"it lists {len(found.files)} files")
        for file in found.files:
            if not is_file_name(file.name):
                raise BadManifest(f"{file.name[:100]!r} is no name of a file")
        return found


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """``manifest_sha256``: hexadecimal; what the manifest must have for its files to be these weights.

    ``manifest_bytes``: its length.
    """

    location: str
    manifest_sha256: str
    manifest_bytes: int

    @property
    def source(self) -> str:
        """As the ``source`` of a model's settings. No configuration can have such a one."""
        return f"tuned:{self.location}#{self.manifest_sha256}.{self.manifest_bytes}"

    @classmethod
    def parse(cls, source: str) -> StoredWeights | None:
        """``None`` for a folder or a repository."""
        found = _SOURCE.fullmatch(source)
        return None if found is None else cls(found["location"], found["sha256"], int(found["bytes"]))


def is_file_name(name: str) -> bool:
    return _FILE_NAME.fullmatch(name) is not None


def manifest_key(location: str) -> str:
    return f"{location}/manifest"


def file_key(location: str, place: int) -> str:
    """Of the file at this place of the manifest. Keys have no room for names of files."""
    return f"{location}/file-{place}"


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
