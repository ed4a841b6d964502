"""What a fake engine has cached: the blocks of the prompts that it was asked, counted as real engines count theirs.

Routers learn from that count how far to believe what they remember. Nothing gets faster by it: the prompt says what takes how long.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

BLOCK_BYTES = 1024
MAX_BLOCKS = 10_000


class PrefixCache:
    """The last ``MAX_BLOCKS`` blocks. A block is known by all that came before it, too."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    def take(self, body: bytes) -> int:
        """Bytes at the beginning of a request's body that were asked before; from now on all of its whole blocks are cached."""
        chain, found, known = blake2b(digest_size=16), 0, True
        for end in range(BLOCK_BYTES, len(body) + 1, BLOCK_BYTES):
            chain.update(body[end - BLOCK_BYTES : end])
            block = chain.digest()
            known = known and block in self._blocks
            found += known
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > MAX_BLOCKS:
            self._blocks.popitem(last=False)
        return found * BLOCK_BYTES
