"""The blocks of an engine's prefix cache as its events tell of them: which are resident, in which cache group, behind which other.

An engine names a block by a hash of all tokens up to its end, the salt among them; so a block's hash stands for a whole prefix. An
engine with several kinds of attention keeps each block once for each *cache group*, and evicts these copies one by one. A prefix is
served as far as all groups can serve it: full attention needs every block from the start, sliding windows only those of the last
window. This is vLLM's rule (``HybridKVCacheCoordinator``), for groups of equal block size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BlockKey = bytes | int
"""An engine's own name of a block."""


class UnsupportedCache(Exception):
    """The engine's cache has groups of kinds or sizes whose rule isn't known here."""


@dataclass(frozen=True, slots=True)
class Group:
    """One cache group. ``window_tokens``: of its sliding window, ``None`` for full attention."""

    block_tokens: int
    window_tokens: int | None = None


class Block:
    """A block that is resident in at least one group.

    ``copies``: how many blocks of the engine's memory hold it, by group: prompts that are computed at the same time each leave one.
    ``rooted``: it and all before it are resident in every group of full attention; ``depth`` is then its number, from 1.
    ``watchers``: prefixes whose serving may change when this block goes.
    """

    __slots__ = ("children", "copies", "depth", "key", "parent", "rooted", "watchers")

    def __init__(self, key: BlockKey, groups: int) -> None:
        self.key = key
        self.copies = [0] * groups
        self.parent: Block | None = None
        self.children: set[Block] | None = None
        self.depth = 0
        self.rooted = False
        self.watchers: set[bytes] | None = None


class BlockTree:
    """All resident blocks of one engine; memory in proportion to them (about 600 bytes each).

    ``touched`` collects the watchers of blocks that went; whoever reads it empties it. Raises :class:`UnsupportedCache` for
    groups without full attention or of several block sizes.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        sizes = {group.block_tokens for group in groups}
        if len(sizes) != 1:
            raise UnsupportedCache(f"cache groups of block sizes {sorted(sizes)}: only equal ones are supported")
        self.block_tokens = sizes.pop()
        self._groups = len(groups)
        self._full = [index for index, group in enumerate(groups) if group.window_tokens is None]
        self._sliding = [index for index, group in enumerate(groups) if group.window_tokens is not None]
        if not self._full:
            raise UnsupportedCache("no cache group of full attention")
        windows = [group.window_tokens for group in groups if group.window_tokens is not None]
        # The token to be computed belongs to its own window. The widest one decides: with several, this errs on the low side.
        self._window_blocks = -(-(max(windows) - 1) // self.block_tokens) if windows else 0
        self._blocks: dict[BlockKey, Block] = {}
        self._root = Block(b"", self._groups)
        self._root.rooted = True
        self.touched: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._blocks)

    # --- the engine's events ----------------------------------------------------------------------------------------------

    def stored(self, group: int, keys: Iterable[BlockKey], parent: BlockKey | None) -> Block | None:
        """Blocks were put into a group; in one of full attention each follows the one before it, the first one ``parent``.

        Returns the last of them if they are of full attention.
        """
        full = group in self._full
        before = (self._root if parent is None else self._blocks.get(parent)) if full else None
        block: Block | None = None
        for key in keys:
            block = self._blocks.get(key)
            if block is None:
                block = self._blocks[key] = Block(key, self._groups)
            block.copies[group] += 1
            if full:
                if block.parent is None and before is not None:
                    self._link(block, before)
                self._root_from(block)
                before = block
        return block if full else None

    def removed(self, group: int, keys: Iterable[BlockKey]) -> None:
        """Blocks were evicted from a group. Ones that were never told of are passed over."""
        for key in keys:
            block = self._blocks.get(key)
            if block is None or block.copies[group] == 0:
                continue
            block.copies[group] -= 1
            if block.copies[group] == 0:
                self._touch(block)
                if block.rooted and group in self._full:
                    self._unroot(block)
                if not any(block.copies):
                    self._drop(block)

    def clear(self) -> None:
        """Nothing is resident any more."""
        for block in self._blocks.values():
            self._touch(block)
            block.rooted = False
            block.parent = block.children = block.watchers = None
        self._blocks.clear()
        self._root.children = None

    # --- questions --------------------------------------------------------------------------------------------------------

    def served(self, block: Block) -> tuple[int, Block | None]:
        """How many tokens of the prefix that ends with ``block`` the engine would find, and the last block of these.

        A block that is not rooted serves none here, although some block before it may.
        """
        if not block.rooted:
            return 0, None
        if not self._sliding:
            return block.depth * self.block_tokens, block
        run = 0
        end = at = block
        while at is not self._root:
            if all(at.copies[group] for group in self._sliding):
                if run == 0:
                    end = at
                run += 1
                if run == self._window_blocks:
                    break
            else:
                run = 0
            assert at.parent is not None, "a rooted block has all before it"
            at = at.parent
        # From the very start a run may be shorter than a window.
        return (end.depth * self.block_tokens, end) if run else (0, None)

    def watch(self, watcher: bytes, block: Block, end: Block) -> tuple[Block, ...]:
        """Touch ``watcher`` when ``block`` goes, or one of the window up to ``end``. Returns what :meth:`unwatch` takes."""
        watched = [block]
        at: Block | None = end
        for _ in range(self._window_blocks):
            if at is None or at is self._root:
                break
            watched.append(at)
            at = at.parent
        for block in watched:
            if block.watchers is None:
                block.watchers = set()
            block.watchers.add(watcher)
        return tuple(watched)

    @staticmethod
    def unwatch(watcher: bytes, watched: Iterable[Block]) -> None:
        for block in watched:
            if block.watchers is not None:
                block.watchers.discard(watcher)

    # --- the tree ---------------------------------------------------------------------------------------------------------

    def _link(self, block: Block, parent: Block) -> None:
        block.parent = parent
        if parent.children is None:
            parent.children = set()
        parent.children.add(block)

    def _root_from(self, block: Block) -> None:
        stack = [block]
        while stack:
            block = stack.pop()
            parent = block.parent
            if block.rooted or parent is None or not parent.rooted or not all(block.copies[group] for group in self._full):
                continue
            block.rooted = True
            block.depth = parent.depth + 1
            stack.extend(block.children or ())

    def _unroot(self, block: Block) -> None:
        stack = [block]
        while stack:
            block = stack.pop()
            block.rooted = False
            self._touch(block)
            stack.extend([child for child in block.children or () if child.rooted])

    def _drop(self, block: Block) -> None:
        """Forget a block. What followed it can be found again only when it has been computed again, and is told of again then."""
        del self._blocks[block.key]
        if block.parent is not None and block.parent.children is not None:
            block.parent.children.discard(block)
        for child in block.children or ():
            child.parent = None
        block.parent = block.children = None

    def _touch(self, block: Block) -> None:
        if block.watchers is not None:
            self.touched |= block.watchers
            block.watchers = None

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` if links, depths and roots contradict each other. For tests."""
        for key, block in self._blocks.items():
            assert block.key == key
            assert any(block.copies)
            assert min(block.copies) >= 0
            parent = block.parent
            full = all(block.copies[group] for group in self._full)
            assert block.rooted == (full and parent is not None and parent.rooted)
            if parent is not None:
                assert parent is self._root or self._blocks.get(parent.key) is parent
                assert block in (parent.children or ())
            if block.rooted:
                assert parent is not None
                assert block.depth == parent.depth + 1
            assert all(child.parent is block for child in block.children or ())
