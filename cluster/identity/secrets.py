"""Ids and secrets: how they are made, what they look like, what is kept of them."""

from __future__ import annotations

import hashlib
import re
import secrets
import string

SECRET_PREFIX = "sk-"  # noqa: S105 - the public part of every key
ADMIN_SECRET_PREFIX = "sk-admin-"  # noqa: S105
MAX_SECRET_LENGTH = 200
HINT_LENGTH = 4

_ALPHABET = string.ascii_letters + string.digits
_RANDOM_CHARACTERS = 48
"""log2(62) * 48 = 285 bits; 262 of them stay unknown to somebody who sees the hint."""
_SECRET = re.compile(r"sk-[A-Za-z0-9_-]{16,}")
_ID = re.compile(r"(org|proj|key)_[0-9a-f]{32}")


def new_id(prefix: str) -> str:
    """``prefix_`` and 128 random bits."""
    return f"{prefix}_{secrets.token_hex(16)}"


def is_id(prefix: str, text: str) -> bool:
    """Whether ``text`` could name something of this kind. Everything else need not reach the database."""
    return text.startswith(f"{prefix}_") and _ID.fullmatch(text) is not None


def new_secret(*, admin: bool = False) -> str:
    """A new API key. That its prefix says ``admin`` is for people: what a key may do is written in its row alone."""
    random = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return (ADMIN_SECRET_PREFIX if admin else SECRET_PREFIX) + random


def is_secret(text: str) -> bool:
    """Whether ``text`` has the shape of an API key."""
    return len(text) <= MAX_SECRET_LENGTH and _SECRET.fullmatch(text) is not None


def secret_hash(secret: str) -> bytes:
    """What is stored of a key: SHA-256, 32 bytes.

    A slow hash protects passwords, which can be guessed; 256 random bits can't, so that one fast hash loses nothing and costs a
    request a microsecond. Finding the row by its hash leaks no timing of use: who could choose hashes could invert SHA-256.
    """
    return hashlib.sha256(secret.encode()).digest()


def hint(secret: str) -> str:
    """The end of a key, by which its owner recognizes it."""
    return secret[-HINT_LENGTH:]
