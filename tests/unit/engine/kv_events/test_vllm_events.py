"""vLLM's own structures and publisher, as this package reads them."""

from __future__ import annotations

import asyncio
import stat

import msgspec
import pytest
from vllm.distributed import kv_events as vllm_events

from cluster.engine.vllm.kv_events.feed import EventFeed
from cluster.engine.vllm.kv_events.follower import groups_of
from cluster.engine.vllm.kv_events.sockets import EventSockets
from cluster.engine.vllm.kv_events.wire import DEVICE_MEDIUM, AllBlocksCleared, BlockRemoved, BlockStored, batch_decoder
from cluster.routing.residency.blocks import Group, UnsupportedCache
from tests.unit.engine.kv_events.test_feed import Heard

#: Loads vLLM.
pytestmark = pytest.mark.slow


def batch(*events: object) -> vllm_events.KVEventBatch:
    return vllm_events.KVEventBatch(ts=1.0, events=list(events))


STORED = vllm_events.BlockStored(
    block_hashes=[b"h1", b"h2"],
    parent_block_hash=b"h0",
    token_ids=[1, 2, 3, 4],
    block_size=2,
    lora_id=None,
    medium=DEVICE_MEDIUM,
    lora_name=None,
    extra_keys=[("the salt",), None],
    group_idx=1,
    kv_cache_spec_kind="full_attention",
    session_id="chatcmpl-1",
)
REMOVED = vllm_events.BlockRemoved(block_hashes=[b"h1"], medium=DEVICE_MEDIUM, group_idx=0)


def test_a_batch_is_read_without_its_tokens_and_salt() -> None:
    payload = msgspec.msgpack.encode(batch(STORED, REMOVED, vllm_events.AllBlocksCleared()))
    assert batch_decoder.decode(payload).events == [
        BlockStored([b"h1", b"h2"], b"h0", DEVICE_MEDIUM, 1, "chatcmpl-1"),
        BlockRemoved([b"h1"], DEVICE_MEDIUM, 0),
        AllBlocksCleared(),
    ]
    assert not {"token_ids", "extra_keys"} & set(BlockStored.__struct_fields__)


def test_the_device_has_the_name_that_is_looked_for() -> None:
    assert vllm_events.MEDIUM_GPU == DEVICE_MEDIUM


async def test_vllms_publisher_is_followed_and_replayed_over_private_sockets() -> None:
    sockets = EventSockets.make()
    assert stat.S_IMODE(sockets.folder.stat().st_mode) == 0o700
    publisher = vllm_events.EventPublisherFactory.create(sockets.publisher())
    heard = Heard()
    # Nobody has subscribed yet: the first batch can only be replayed.
    publisher.publish(batch(STORED))
    await asyncio.sleep(0.5)
    feed = asyncio.create_task(EventFeed(sockets.events, sockets.replay, heard).run())
    try:
        await asyncio.sleep(0.5)
        publisher.publish(batch(vllm_events.BlockStored([b"h3"], b"h2", [5, 6], 2, None, DEVICE_MEDIUM, None)))
        assert await heard.until("replayed 2") == ["gap", b"h1", b"h2", b"h3", "replayed 2"]
    finally:
        feed.cancel()
        await asyncio.wait({feed})
        await asyncio.to_thread(publisher.shutdown)
        sockets.remove()
    assert not sockets.folder.exists()


def test_the_groups_of_gpt_oss_are_understood() -> None:
    assert groups_of(
        [
            {"group_idx": 0, "kind": "sliding_window", "block_size": 16, "sliding_window": 128},
            {"group_idx": 1, "kind": "full_attention", "block_size": 16, "sliding_window": None},
        ]
    ) == [Group(16, 128), Group(16)]


def test_a_recurrent_model_is_not_followed() -> None:
    with pytest.raises(UnsupportedCache, match="mamba"):
        groups_of([{"group_idx": 0, "kind": "mamba", "block_size": 16, "sliding_window": None}])
