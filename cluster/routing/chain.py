"""The prefix chain: keyed hashes that name every prefix of a prompt down to its blocks.

``h(0) = H(root key, model, adapter)`` and ``h(i) = H(h(i-1), block i)``, where ``H(key, data)`` is BLAKE2b with a 16-byte digest.
Two prompts share ``h(i)`` exactly if they share root key, model, adapter and all bytes up to the end of block ``i``. Nobody
without the root key can make two prompts meet or aim at a replica.

Blocks are cut by bytes, so no tokenizer is needed. The first 64 have ``block_bytes`` each; behind them every further 32 blocks
double the length covered. The cuts depend on nothing but the distance from the start, so a growing conversation keeps its blocks,
and a prompt of any length has few: with 512-byte blocks 196 for 600 KB and 384 for 32 MiB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import blake2b

HASH_BYTES = 16
EVEN_BLOCKS = 64
BLOCKS_PER_DOUBLING = 32
OFFLOAD_BYTES = 256 << 10
"""Prompts from this length on are hashed in a thread (BLAKE2b lets go of the interpreter for blocks over 2 KiB)."""


def block_ends(length_bytes: int, block_bytes: int) -> Iterator[int]:
    """Ends of the whole blocks within ``length_bytes``, ascending."""
    end = 0
    size = block_bytes
    number = 0
    while end + size <= length_bytes:
        end += size
        number += 1
        yield end
        if number >= EVEN_BLOCKS and (number - EVEN_BLOCKS) % BLOCKS_PER_DOUBLING == 0:
            size = end // BLOCKS_PER_DOUBLING


def depth_at(length_bytes: int, block_bytes: int) -> int:
    """How many whole blocks a prompt of ``length_bytes`` has."""
    return sum(1 for _ in block_ends(length_bytes, block_bytes))


def prefix_chain(
    root_key: bytes, model: str, adapter: str | None, canonical: bytes, block_bytes: int, max_blocks: int = 512
) -> tuple[bytes, ...]:
    """Hashes ``h(1)…h(n)`` of a prompt's whole blocks, shallow to deep; what is left over at the end has no hash yet.

    ``root_key`` (up to 64 bytes) is ``SaltDeriver.routing_key``. At most ``max_blocks`` are returned. Costs about 1.5 ms per MB.
    """
    digest = blake2b(model.encode("utf-8", "surrogatepass"), key=root_key, digest_size=HASH_BYTES).digest()
    namespace = b"base" if adapter is None else b"adapter:" + adapter.encode("utf-8", "surrogatepass")
    digest = blake2b(namespace, key=digest, digest_size=HASH_BYTES).digest()

    chain: list[bytes] = []
    view = memoryview(canonical)
    start = 0
    for end in block_ends(len(canonical), block_bytes):
        if len(chain) == max_blocks:
            break
        digest = blake2b(view[start:end], key=digest, digest_size=HASH_BYTES).digest()
        chain.append(digest)
        start = end
    return tuple(chain)


async def prefix_chain_offloaded(
    root_key: bytes, model: str, adapter: str | None, canonical: bytes, block_bytes: int
) -> tuple[bytes, ...]:
    """:func:`prefix_chain`, in a thread where it would hold up the event loop."""
    if len(canonical) < OFFLOAD_BYTES:
        return prefix_chain(root_key, model, adapter, canonical, block_bytes)
    return await asyncio.to_thread(prefix_chain, root_key, model, adapter, canonical, block_bytes)
