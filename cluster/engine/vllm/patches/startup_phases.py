"""Time the phases of a start inside the engine core, where the replica can't see them.

Not a mend but an addition: two methods are wrapped by a clock, and the engine core gets a method that tells the result
(``AsyncLLM`` can call any method of the core by name). The executor's constructor loads the weights; ``_initialize_kv_caches``
profiles, allocates the cache and warms the kernels up.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

UTILITY = "ossature_startup_seconds"
LOAD_WEIGHTS = "load_weights"
KV_CACHE = "kv_cache"


def time_startup_phases() -> bool:
    """Wrap the phases, in a process that is an engine core; elsewhere do nothing. Returns whether it was done. Idempotent."""
    core = sys.modules.get("vllm.v1.engine.core")
    executor = sys.modules.get("vllm.v1.executor.abstract")
    if core is None or executor is None:
        return False
    if hasattr(core.EngineCore, UTILITY):
        return True
    seconds: dict[str, float] = {}
    executor.Executor.__init__ = _timed(executor.Executor.__init__, LOAD_WEIGHTS, seconds)
    core.EngineCore._initialize_kv_caches = _timed(core.EngineCore._initialize_kv_caches, KV_CACHE, seconds)
    setattr(core.EngineCore, UTILITY, lambda self: dict(seconds))
    return True


def _timed(method: Callable[..., Any], phase: str, seconds: dict[str, float]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        started_s = time.monotonic()
        try:
            return method(*args, **kwargs)
        finally:
            seconds[phase] = time.monotonic() - started_s

    return wrapper
