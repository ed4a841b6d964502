"""A bounded memory that organizations share without being able to push each other out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

V = TypeVar("V")


class OrgLru(Generic[V]):
    """Least recently used entries of many organizations, ``capacity`` in all.

    When it is full, the organization that holds most gives up its oldest entries. So one that holds no more than
    ``capacity / organizations`` entries never loses any to another. Keys are chain hashes; a run of them is one prompt's path,
    shallow to deep. Within a path the deepest entries go first, because a path is only ever read from its start.
    All operations take constant time per key, and evictions a little for each organization. Not thread-safe.
    """

    def __init__(self, capacity: int, on_evict: Callable[[bytes], None] = lambda key: None) -> None:
        """``on_evict`` is told of each key that had to go for want of space."""
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self.capacity = capacity
        self._on_evict = on_evict
        self._size = 0
        # Ordered dictionaries, since finding the first key of a plain one gets slow when keys go at the front.
        self._entries: dict[str, OrderedDict[bytes, V]] = {}  # by organization, oldest entry first
        self._holders: dict[int, OrderedDict[str, None]] = {}  # organizations by number of entries, for finding the largest
        self._largest = 0

    def __len__(self) -> int:
        return self._size

    def count(self, org: str) -> int:
        """Entries of one organization."""
        return len(self._entries.get(org, ()))

    def peek(self, org: str) -> Mapping[bytes, V]:
        """One organization's entries, to be read and not kept. Reading doesn't make them more recent."""
        return self._entries.get(org, {})

    def leading(self, org: str, path: Iterable[bytes]) -> list[V]:
        """Values of the path's leading keys that are present, up to the first one that is not. Makes them the most recent."""
        entries = self._entries.get(org)
        if entries is None:
            return []
        found: list[V] = []
        keys: list[bytes] = []
        for key in path:
            value = entries.get(key)
            if value is None:
                break
            found.append(value)
            keys.append(key)
        for key in reversed(keys):
            entries.move_to_end(key)
        return found

    def add(self, org: str, path: Sequence[tuple[bytes, V]]) -> None:
        """Put entries of one path, shallow to deep, as the most recent ones; entries of the same key are replaced."""
        if not path:
            return
        entries = self._entries.setdefault(org, OrderedDict())
        before = len(entries)
        for key, value in reversed(path):
            entries[key] = value
            entries.move_to_end(key)
        self._resized(org, before, len(entries))
        self._evict()

    def discard(self, org: str, key: bytes) -> None:
        """Remove one entry, if it is there."""
        entries = self._entries.get(org)
        if entries is not None and entries.pop(key, None) is not None:
            self._resized(org, len(entries) + 1, len(entries))

    def merge(self, org: str, path: Sequence[bytes], change: Callable[[V | None], V]) -> None:
        """Replace the value of each key of a path by ``change`` of it, and make them the most recent."""
        if not path:
            return
        entries = self._entries.setdefault(org, OrderedDict())
        before = len(entries)
        take = entries.pop
        for key in reversed(path):
            entries[key] = change(take(key, None))
        self._resized(org, before, len(entries))
        self._evict()

    def update_all(self, change: Callable[[V], V]) -> None:
        """Replace every value by ``change`` of it; takes time in proportion to the entries, and leaves their order."""
        for entries in self._entries.values():
            for key, value in entries.items():
                entries[key] = change(value)

    def _evict(self) -> None:
        while (excess := self._size - self.capacity) > 0:
            org = next(iter(self._holders[self._largest]))
            entries = self._entries[org]
            # Everything above an even share may go at once: keeping books for each entry would cost more than the rest.
            count = min(excess, len(entries) - self.capacity // len(self._entries))
            evicted = [entries.popitem(last=False)[0] for _ in range(count)]
            self._resized(org, len(entries) + count, len(entries))
            for key in evicted:
                self._on_evict(key)

    def _resized(self, org: str, before: int, after: int) -> None:
        if before == after:
            return
        self._size += after - before
        if before:
            holders = self._holders[before]
            del holders[org]
            if not holders:
                del self._holders[before]
        if after:
            self._holders.setdefault(after, OrderedDict())[org] = None
        else:
            del self._entries[org]
        if after > self._largest:
            self._largest = after
        elif self._largest not in self._holders:
            self._largest = max(self._holders, default=0)

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` if the books don't match the entries. For tests."""
        assert self._size == sum(len(entries) for entries in self._entries.values()) <= self.capacity
        assert all(self._entries.values())
        by_size: dict[int, set[str]] = {}
        for org, entries in self._entries.items():
            by_size.setdefault(len(entries), set()).add(org)
        assert {size: set(orgs) for size, orgs in self._holders.items()} == by_size
        assert self._largest == max(by_size, default=0)
