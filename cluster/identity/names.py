"""Names that people give to organizations, projects and keys."""

from __future__ import annotations

import unicodedata

from cluster.errors import InvalidRequest
from cluster.store.tables import NAME_LENGTH

# Control and unassigned characters, lone surrogates, line and paragraph separators.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
# Directional overrides and isolates can make a name read as another one.
_FORBIDDEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(name: str, param: str = "name") -> str:
    """A name as it is stored: NFC, without outer whitespace, so that what looks equal is equal.

    Raises :class:`InvalidRequest` for an empty, too long (100 characters) or unprintable one.
    """
    if not isinstance(name, str):
        raise InvalidRequest(f"'{param}' must be a string.", param=param)
    if len(name) > 4 * NAME_LENGTH:  # normalizing first would let a huge text cost time
        raise InvalidRequest(f"'{param}' must have at most {NAME_LENGTH} characters.", param=param)
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise InvalidRequest(f"'{param}' must not be empty.", param=param)
    if len(cleaned) > NAME_LENGTH:
        raise InvalidRequest(f"'{param}' must have at most {NAME_LENGTH} characters.", param=param)
    if any(c in _FORBIDDEN or unicodedata.category(c) in _FORBIDDEN_CATEGORIES for c in cleaned):
        raise InvalidRequest(f"'{param}' must not contain control characters.", param=param)
    return cleaned
