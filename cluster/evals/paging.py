"""Pages of lists: OpenAI's list object, and how much one may hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

PAGE_BYTES: Final = 32 << 20
"""Most that a page may hold; it ends earlier with more."""

_Name = TypeVar("_Name", str, int)


@dataclass(frozen=True, slots=True)
class Page:
    """Objects with an ``id`` each, ready for JSON."""

    items: Sequence[Mapping[str, Any]]
    has_more: bool

    def to_json(self) -> dict[str, Any]:
        """OpenAI's list object."""
        first, last = (self.items[0]["id"], self.items[-1]["id"]) if self.items else ("", "")
        return {"object": "list", "data": self.items, "first_id": first, "last_id": last, "has_more": self.has_more}


def within(sized: Iterable[tuple[_Name, int]], max_bytes: int = PAGE_BYTES) -> list[_Name]:
    """Of things with their sizes in bytes, those from the first on that a page holds; one in any case."""
    names: list[_Name] = []
    left = max_bytes
    for name, size_bytes in sized:
        left -= size_bytes
        if names and left < 0:
            break
        names.append(name)
    return names
