"""Ids of spoken answers, by which a client may refer to them in later requests.

An id is its own record: the answer's transcript, compressed, encrypted under a key of the cluster's secret and bound to its
organization. Any gateway can read it, nothing has to be stored or swept, and a restart loses none. It is as long as it must be:
about two thirds of a long transcript, and some 80 characters at least.
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

from cluster.prompt_cache.keys import derive_key, opened

PREFIX: Final = "audio_"
_NONCE_BYTES: Final = 12
_PURPOSE: Final = "spoken/audio-id"


class _Record(msgspec.Struct, frozen=True, array_like=True):
    expires_at: int
    transcript: str


_decoder = msgspec.msgpack.Decoder(_Record)


@dataclass(frozen=True, slots=True)
class AudioIds:
    """The first cipher is for new ones; all of them open what was made with them."""

    _ciphers: tuple[AESGCM, ...] = field(repr=False)

    @classmethod
    def of(cls, cluster_secret: bytes, *accepted: bytes) -> AudioIds:
        """``accepted``: further generations of the cluster secret. Raises ``ValueError`` for a secret under 32 bytes."""
        return cls(tuple(AESGCM(derive_key(secret, _PURPOSE)) for secret in (cluster_secret, *accepted)))

    def made(self, org_id: str, transcript: str, expires_at: int) -> str:
        """``expires_at``: Unix seconds, from which on the id stands for nothing."""
        nonce = os.urandom(_NONCE_BYTES)
        plain = zlib.compress(msgspec.msgpack.encode(_Record(expires_at, transcript)))
        sealed = self._ciphers[0].encrypt(nonce, plain, _bound_to(org_id))
        return PREFIX + base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def transcript(self, org_id: str, audio_id: str, now_unix_s: float) -> str | None:
        """What was spoken. ``None`` for an id of another organization, one that has expired and what is none, alike."""
        text = audio_id.removeprefix(PREFIX)
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            # What passes the check was made here, so it is no bomb.
            record = _decoder.decode(
                zlib.decompress(opened(self._ciphers, data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(org_id)))
            )
        except (InvalidTag, ValueError, binascii.Error):
            return None
        return record.transcript if now_unix_s < record.expires_at else None


def _bound_to(org_id: str) -> bytes:
    return f"{_PURPOSE}/{org_id}".encode()
