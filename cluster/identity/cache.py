"""What a gateway remembers of keys, bounded, by the hash of their secrets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from cluster.identity.principal import Principal


class KeyCache:
    """Valid keys (least recently used ones go first) and, for a short while, hashes that belong to no key.

    The second kind spares the database the retries of a misconfigured client. Both are bounded on their own, so that invented
    keys cannot push out real ones.
    """

    def __init__(self, max_keys: int, max_unknown: int, unknown_ttl_s: float, clock: Callable[[], float]) -> None:
        self._max_keys = max_keys
        self._max_unknown = max_unknown
        self._unknown_ttl_s = unknown_ttl_s
        self._clock = clock
        self._keys: OrderedDict[bytes, Principal] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()  # hash → when to ask again; oldest first

    def __len__(self) -> int:
        return len(self._keys) + len(self._unknown)

    def get(self, digest: bytes) -> Principal | None:
        principal = self._keys.get(digest)
        if principal is not None:
            self._keys.move_to_end(digest)
        return principal

    def put(self, digest: bytes, principal: Principal) -> None:
        self._unknown.pop(digest, None)
        self._keys[digest] = principal
        if len(self._keys) > self._max_keys:
            self._keys.popitem(last=False)

    def is_unknown(self, digest: bytes) -> bool:
        """Whether this hash was looked for in vain a moment ago."""
        expires = self._unknown.get(digest)
        return expires is not None and self._clock() < expires

    def put_unknown(self, digest: bytes) -> None:
        self._unknown.pop(digest, None)  # so that it counts as the newest
        self._unknown[digest] = self._clock() + self._unknown_ttl_s
        if len(self._unknown) > self._max_unknown:
            self._unknown.popitem(last=False)

    def evict(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self._keys.pop(digest, None)

    def clear(self) -> None:
        self._keys.clear()
        self._unknown.clear()
