"""Keys for one purpose each, and byte strings that can be read in one way only."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MIN_SECRET_BYTES = 32


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key for ``purpose`` (HKDF-Expand of RFC 5869 with one output block; the secret is the pseudo-random key).

    Keys of different purposes tell nothing of each other or of the secret. Raises ``ValueError`` for a secret under 32 bytes.
    """
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"the cluster secret must have at least {MIN_SECRET_BYTES} bytes")
    return hmac.digest(secret, b"ossature/" + purpose.encode() + b"\x01", "sha256")


def opened(ciphers: Sequence[AESGCM], nonce: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """What one of the ciphers, each of another generation of a key, has sealed. Raises ``InvalidTag``: none of them has."""
    for cipher in ciphers[:-1]:
        with suppress(InvalidTag):
            return cipher.decrypt(nonce, sealed, bound_to)
    return ciphers[-1].decrypt(nonce, sealed, bound_to)


def encode_fields(*fields: str | bytes | int | None) -> bytes:
    """Concatenate fields so that no two different lists give the same bytes: each one is a kind, its length and its content.

    ``None`` differs from an empty string. Strings may hold lone surrogates, as JSON can.
    """
    encoded = bytearray()
    for field in fields:
        if field is None:
            encoded += b"n"
            continue
        if isinstance(field, str):
            kind, content = b"s", field.encode("utf-8", "surrogatepass")
        elif isinstance(field, bytes):
            kind, content = b"b", field
        else:
            kind, content = b"i", str(field).encode()
        encoded += kind + len(content).to_bytes(8, "big") + content
    return bytes(encoded)
