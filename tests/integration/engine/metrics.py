"""vLLM's metrics where several engines run in one process, which only tests do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector


@contextmanager
def metrics_of_another_engine() -> Iterator[None]:
    """An engine that is started inside takes those of earlier ones out of the registry; afterwards they are in it again."""
    earlier = _vllm_collectors()
    try:
        yield
    finally:
        for collector in _vllm_collectors():
            REGISTRY.unregister(collector)
        for collector in earlier:
            REGISTRY.register(collector)


def _vllm_collectors() -> list[Collector]:
    return [c for c in list(REGISTRY._collector_to_names) if getattr(c, "_name", "").startswith("vllm:")]
