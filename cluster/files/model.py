"""Files as their organization's project sees them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from cluster.store.tables import FileRow

MAX_FILENAME = 255
_ID = re.compile(r"file-[0-9a-f]{32}")


class Purpose(StrEnum):
    FINE_TUNE = "fine-tune"
    EVALS = "evals"
    VISION = "vision"
    USER_DATA = "user_data"
    FINE_TUNE_RESULTS = "fine-tune-results"
    """Made by fine-tuning jobs."""


REFUSED_PURPOSES = {
    "batch": "batches are not served here.",
    "assistants": "assistants are not served here.",
    str(Purpose.FINE_TUNE_RESULTS): "such files are made by fine-tuning jobs.",
}
"""Purposes that no upload can have, and why."""
UPLOADED_PURPOSES = tuple(purpose for purpose in Purpose if purpose not in REFUSED_PURPOSES)


@dataclass(frozen=True, slots=True)
class File:
    """``created_at``, ``expires_at``: Unix seconds. ``sha256``: of the content, in hexadecimal."""

    id: str
    filename: str
    purpose: str
    size_bytes: int
    sha256: str
    created_at: int
    expires_at: int | None

    @classmethod
    def of(cls, row: FileRow) -> File:
        created_at = row.created_us // 1_000_000
        return cls(row.id, row.filename, row.purpose, row.size_bytes, row.sha256, created_at, row.expires_at)

    def to_json(self) -> dict[str, object]:
        """OpenAI's file object, and ``sha256``."""
        shown: dict[str, object] = {
            "id": self.id,
            "object": "file",
            "bytes": self.size_bytes,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "sha256": self.sha256,
        }
        if self.expires_at is not None:
            shown["expires_at"] = self.expires_at
        return shown


def new_file_id() -> str:
    return f"file-{secrets.token_hex(16)}"


def is_file_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def object_key(org_id: str, file_id: str) -> str:
    """Where the content of a file is: made of ids alone."""
    return f"{org_id}/{file_id}"


def clean_filename(name: str) -> str:
    """The last part of a path that a client sent, without control characters; it is shown, and never opened here."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(character for character in last if character.isprintable()).strip()[:MAX_FILENAME]
    return kept if kept.strip(".") else "file"
