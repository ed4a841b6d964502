"""The prefix cache of one simulated engine: blocks with reference counts, evicted least recently used, deepest first.

It behaves as vLLM's block pool does: a block in use can't be evicted, a block that nobody uses keeps its content until its place
is needed, and the blocks of a request become free from its end to its start.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

BlockKey = int


class CacheListener(Protocol):
    """Told of everything that a cache stores and evicts."""

    def stored(self, path: Sequence[BlockKey], new: Sequence[int]) -> None:
        """A prompt's blocks are in use; those at the indices ``new`` weren't cached before."""
        ...

    def evicted(self, key: BlockKey) -> None: ...


class KvCache:
    """``capacity_blocks`` blocks of ``block_tokens`` tokens, shared by prefixes and by what running requests generate.

    ``retention_interval_tokens`` is the rule for models with sliding-window layers, gpt-oss above all: the window's state is
    kept only at multiples of the interval and at the ends of prompts, and a hit can only end there. ``None``: everywhere.
    """

    def __init__(self, capacity_blocks: int, block_tokens: int, retention_interval_tokens: int | None = None) -> None:
        if capacity_blocks < 1 or block_tokens < 1:
            raise ValueError("a cache needs at least one block of one token")
        self.capacity_blocks = capacity_blocks
        self.block_tokens = block_tokens
        self._interval = retention_interval_tokens
        self._users: dict[BlockKey, int] = {}
        self._free: OrderedDict[BlockKey, None] = OrderedDict()  # cached, used by nobody, oldest first
        self._ends: set[BlockKey] = set()  # blocks at which a prompt ended; kept small by eviction
        self._reserved = 0
        self.listener: CacheListener | None = None

    @property
    def keeps_part(self) -> bool:
        """Whether hits can end at some blocks only."""
        return self._interval is not None

    def kept(self, path: Sequence[BlockKey]) -> list[BlockKey]:
        """Blocks of a path at which a hit can end."""
        return [key for index, key in enumerate(path, 1) if self._is_kept(key, index)]

    @property
    def cached_blocks(self) -> int:
        """Blocks that hold a prefix, in use or not."""
        return len(self._users) + len(self._free)

    @property
    def used_blocks(self) -> int:
        """Blocks that can't be evicted now."""
        return len(self._users) + self._reserved

    def matched_tokens(self, path: Sequence[BlockKey]) -> int:
        """Tokens at the start of ``path`` that need not be computed."""
        users, free, kept = self._users, self._free, 0
        for index, key in enumerate(path, 1):
            if key not in users and key not in free:
                break
            if self._is_kept(key, index):
                kept = index
        return kept * self.block_tokens

    def _is_kept(self, key: BlockKey, index: int) -> bool:
        if self._interval is None:
            return True
        return key in self._ends or (self._interval > 0 and index * self.block_tokens % self._interval == 0)

    def fits(self, path: Sequence[BlockKey], extra_blocks: int) -> bool:
        """Whether a request with that prompt and room for ``extra_blocks`` more can run beside those that do."""
        users = self._users
        needed = extra_blocks + sum(1 for key in path if key not in users)
        return self.used_blocks + needed <= self.capacity_blocks

    def acquire(self, path: Sequence[BlockKey], extra_blocks: int = 0) -> None:
        """Put a prompt's blocks into use, evicting what is in the way, and reserve ``extra_blocks`` for what it generates."""
        users, free = self._users, self._free
        new = [index for index, key in enumerate(path) if key not in users and key not in free] if self.listener else []
        for key in path:
            count = users.get(key)
            if count is not None:
                users[key] = count + 1
            else:
                free.pop(key, None)
                users[key] = 1
        self._reserved += extra_blocks
        if path:
            self._ends.add(path[-1])
        if self.listener is not None:
            self.listener.stored(path, new)
        while len(users) + len(free) + self._reserved > self.capacity_blocks and free:
            evicted, _ = free.popitem(last=False)
            self._ends.discard(evicted)
            if self.listener is not None:
                self.listener.evicted(evicted)

    def release(self, path: Sequence[BlockKey], extra_blocks: int = 0) -> None:
        """A request has ended: its blocks stay cached until their place is needed."""
        users, free = self._users, self._free
        for key in reversed(path):
            count = users[key] - 1
            if count:
                users[key] = count
            else:
                del users[key]
                free[key] = None
        self._reserved -= extra_blocks

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` if the books don't match. For tests."""
        assert not self._users.keys() & self._free.keys()
        assert all(count > 0 for count in self._users.values())
        assert self._reserved >= 0
        assert self._ends <= self._users.keys() | self._free.keys()
        assert not self._free or self.cached_blocks + self._reserved <= self.capacity_blocks
