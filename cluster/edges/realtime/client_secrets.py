"""Short-lived secrets with which a browser may open sessions, instead of its organization's key.

A secret is its own record: who made it, until when it works and with which settings, encrypted under a key of the cluster's secret.
Every gateway can read it and nothing has to be stored or swept; see docs/decisions/0010-client-secrets-carry-their-session.md.
"""

from __future__ import annotations

import base64
import binascii
import os
import zlib
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cluster.errors import InvalidRequest, Unauthenticated
from cluster.prompt_cache.keys import derive_key, opened
from cluster.realtime.protocol.session_objects import RealtimeSessionUpdate, SessionUpdateBody

PREFIX: Final = "ek_"
#: Web servers take header lines of 8 KiB, and the secret is part of one.
MAX_CHARS: Final = 6000
_MAX_INFLATED_BYTES: Final = 256 << 10
_NONCE_BYTES: Final = 12
_PURPOSE: Final = "realtime/client-secret"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a secret allows: sessions with these settings, by the holder of ``key_id``, begun before ``expires_at`` (Unix s)."""

    key_id: str
    expires_at: int
    session: SessionUpdateBody = RealtimeSessionUpdate()


_decoder = msgspec.json.Decoder(Grant)


@dataclass(frozen=True, slots=True)
class SecretSealer:
    """The first cipher is for new ones; all of them open what was made with them."""

    _ciphers: tuple[AESGCM, ...] = field(repr=False)

    @classmethod
    def of(cls, cluster_secret: bytes, *accepted: bytes) -> SecretSealer:
        """``accepted``: further generations of the cluster secret. Raises ``ValueError`` for a secret under 32 bytes."""
        return cls(tuple(AESGCM(derive_key(secret, _PURPOSE)) for secret in (cluster_secret, *accepted)))

    def seal(self, grant: Grant) -> str:
        """Raises :class:`InvalidRequest` for settings that make it longer than a header may be."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, zlib.compress(msgspec.json.encode(grant)), _PURPOSE.encode())
        secret = PREFIX + base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")
        if len(secret) > MAX_CHARS:
            raise InvalidRequest(
                "The session's settings are too long for a client secret; leave instructions or tools to 'session.update'.",
                param="session",
                code="session_too_large",
            )
        return secret

    def open(self, secret: str, now_unix_s: float) -> Grant:
        """What the secret allows. Raises :class:`Unauthenticated`, without telling what is wrong."""
        grant = self._read(secret) if len(secret) <= MAX_CHARS else None
        if grant is None or grant.expires_at <= now_unix_s:
            raise Unauthenticated("The client secret is not valid.", reason="unknown")
        return grant

    def _read(self, secret: str) -> Grant | None:
        text = secret.removeprefix(PREFIX)
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = opened(self._ciphers, data[:_NONCE_BYTES], data[_NONCE_BYTES:], _PURPOSE.encode())
            return _decoder.decode(zlib.decompressobj().decompress(plain, _MAX_INFLATED_BYTES))
        except (InvalidTag, ValueError, binascii.Error, zlib.error):
            return None
