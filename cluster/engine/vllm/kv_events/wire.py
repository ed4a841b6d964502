"""vLLM's event batches as MessagePack (``vllm.distributed.kv_events``, 0.32), without what must not be looked at.

Fields that aren't named here are skipped while decoding: a prompt's token ids and its salt never become objects.
"""

from __future__ import annotations

import msgspec

DEVICE_MEDIUM = "GPU"
"""vLLM's name of the engine's own cache, whatever the device. Copies that offloading keeps elsewhere have other names."""


class BlockStored(msgspec.Struct, tag="BlockStored", frozen=True):
    block_hashes: list[bytes | int]
    parent_block_hash: bytes | int | None = None
    medium: str | None = None
    group_idx: int | None = None
    session_id: str | None = None


class BlockRemoved(msgspec.Struct, tag="BlockRemoved", frozen=True):
    block_hashes: list[bytes | int]
    medium: str | None = None
    group_idx: int | None = None


class AllBlocksCleared(msgspec.Struct, tag="AllBlocksCleared", frozen=True):
    pass


class EventBatch(msgspec.Struct, array_like=True, frozen=True):
    """``ts``: seconds since the epoch."""

    ts: float
    events: list[BlockStored | BlockRemoved | AllBlocksCleared]


batch_decoder = msgspec.msgpack.Decoder(EventBatch)
