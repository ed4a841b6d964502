"""A small prefix cache with several groups, by the engine's rule in its plainest form: what the tree is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.routing.residency.blocks import BlockTree, Group
from cluster.routing.residency.chains import ResidentChains

BLOCK_TOKENS = 16

Path = tuple[int, ...]


def key(path: Path) -> bytes:
    """The name of a path's last block."""
    return bytes(path)


@dataclass
class ReferenceCache:
    """Paths of blocks. Every change is told to ``listener`` as the engine tells it: sliding groups first, masked blocks left out.

    ``retention_blocks``: sliding groups keep the window before each such boundary, and the one at the prompt's end.
    """

    groups: Sequence[Group]
    listener: BlockTree | ResidentChains
    retention_blocks: int = 4
    copies: list[Counter[Path]] = field(init=False)

    def __post_init__(self) -> None:
        self.copies = [Counter() for _ in self.groups]

    def window_blocks(self, group: Group) -> int:
        assert group.window_tokens is not None
        return -(-(group.window_tokens - 1) // BLOCK_TOKENS)

    def request(self, path: Path, name: str | None = None) -> int:
        """A prompt is computed: what it finds stays, what it doesn't find is stored. Returns the blocks that it found."""
        found = self.hit(path)
        for number, group in enumerate(self.groups):
            ends = range(found + 1, len(path) + 1)
            if group.window_tokens is not None:
                need = self.window_blocks(group)
                kept = {
                    end
                    for boundary in [*range(0, len(path) + 1, self.retention_blocks), len(path)]
                    for end in range(boundary - need + 1, boundary + 1)
                }
                stored = [path[:end] for end in ends if end in kept]
            else:
                stored = [path[:end] for end in ends]
            self.copies[number].update(stored)
            parent = key(path[:found]) if found else None
            if isinstance(self.listener, ResidentChains):
                self.listener.stored(number, [key(block) for block in stored], parent, name)
            else:
                self.listener.stored(number, [key(block) for block in stored], parent)
        return found

    def evict(self, number: int, path: Path) -> None:
        """One copy of a block goes."""
        if self.copies[number][path]:
            self.copies[number][path] -= 1
            self.listener.removed(number, [key(path)])

    def hit(self, path: Path) -> int:
        """The longest run of leading blocks that every group can serve."""
        length = len(path)
        for number, group in enumerate(self.groups):
            if group.window_tokens is None:
                length = next((end for end in range(length) if not self.copies[number][path[: end + 1]]), length)
        sliding = [number for number, group in enumerate(self.groups) if group.window_tokens is not None]
        if not sliding:
            return length
        need = max(self.window_blocks(self.groups[number]) for number in sliding)
        for end in range(length, 0, -1):
            window = range(max(1, end - need + 1), end + 1)
            if all(self.copies[number][path[:block]] for number in sliding for block in window):
                return end
        return 0
