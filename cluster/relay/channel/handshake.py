"""Who may open a channel: both ends prove that they know a key derived from the cluster's secret.

Each proof is an HMAC over both ends' fresh challenges, their names and lives and the side that makes it, so that none can be
replayed, sent back to its maker, or used for another gateway's life. What follows on the connection is neither encrypted nor
authenticated message by message: like Ray's own ports, it belongs on a network that others can't write to.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from cluster.prompt_cache.keys import derive_key, encode_fields
from cluster.relay.channel.messages import PROTOCOL_VERSION, Hello, Welcome

NONCE_BYTES: Final = 32
LIFE_BYTES: Final = 16
_REPLICA: Final = "replica"
_GATEWAY: Final = "gateway"


def new_life() -> bytes:
    """A name for one life of a process, which no other life has."""
    return secrets.token_bytes(LIFE_BYTES)


def new_nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """The key of all channels of a cluster. It is no part of any text made of it.

    While the cluster's secret is being replaced there are two, of which the first is used and both are accepted: a replica proves
    the first of its own, and the gateway answers with the one that was proved.
    """

    _keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, secret: bytes, *accepted: bytes) -> ChannelKey:
        """Derived from the cluster's secret and its other generations, which can't be found from it.

        Raises ``ValueError`` for a secret under 32 bytes.
        """
        return cls(tuple(derive_key(each, "relay/channel") for each in (secret, *accepted)))

    def hello(self, challenge: bytes, gateway_life: bytes, replica_id: str, replica_life: bytes, nonce: bytes) -> Hello:
        """A replica's answer to ``challenge``."""
        proof = _proof(self._keys[0], _REPLICA, challenge, gateway_life, replica_id, replica_life, nonce)
        return Hello(gateway_life=gateway_life, replica_id=replica_id, replica_life=replica_life, nonce=nonce, proof=proof)

    def admits(self, challenge: bytes, hello: Hello) -> bool:
        """Whether ``hello`` was made with one of these keys for ``challenge``."""
        return self._proved(challenge, hello) is not None

    def welcome(self, challenge: bytes, hello: Hello) -> Welcome:
        """The gateway's answer to a ``hello`` that it admits."""
        return Welcome(_answer(self._proved(challenge, hello) or self._keys[0], challenge, hello))

    def trusts(self, challenge: bytes, hello: Hello, welcome: Welcome) -> bool:
        """Whether ``welcome`` was made for ``hello``, with the key that it proved."""
        return hmac.compare_digest(_answer(self._keys[0], challenge, hello), welcome.proof)

    def _proved(self, challenge: bytes, hello: Hello) -> bytes | None:
        if len(hello.nonce) != NONCE_BYTES:
            return None
        for key in self._keys:
            expected = _proof(key, _REPLICA, challenge, hello.gateway_life, hello.replica_id, hello.replica_life, hello.nonce)
            if hmac.compare_digest(expected, hello.proof):
                return key
        return None


def _answer(key: bytes, challenge: bytes, hello: Hello) -> bytes:
    return _proof(key, _GATEWAY, challenge, hello.gateway_life, hello.replica_id, hello.replica_life, hello.nonce)


def _proof(key: bytes, side: str, *facts: str | bytes) -> bytes:
    return hmac.digest(key, encode_fields(PROTOCOL_VERSION, side, *facts), "sha256")
