"""The yardstick: one cache as large as all replicas' together, which has every prompt the moment that it arrives."""

from __future__ import annotations

from cluster.replay.kv_cache import KvCache
from cluster.replay.workload import Workload


def oracle_hit_tokens(workload: Workload, total_kv_tokens: int, retention_interval_tokens: int | None) -> int:
    """Prompt tokens that such a cache would have spared computing. It keeps no room for what is generated."""
    cache = KvCache(max(1, total_kv_tokens // workload.block_tokens), workload.block_tokens, retention_interval_tokens)
    hits = 0
    for request in workload.requests:
        hits += min(cache.matched_tokens(request.blocks), request.input_tokens - 1)
        cache.acquire(request.blocks)
        cache.release(request.blocks)
    return hits
