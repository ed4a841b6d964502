"""A recognizer with a vLLM engine of its own, small enough for a laptop's processor."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from cluster.config.settings.speech import SpeechSettings
from cluster.speech import stack
from cluster.speech.vllm.recognizer import VllmRecognizer

ENGINE: Final[dict[str, Any]] = {
    "dtype": "float32",
    "enforce_eager": True,
    "block_size": 32,
    "max_num_seqs": 4,
    "kv_cache_memory_bytes": 64 << 20,
}


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[VllmRecognizer]:
    """As the settings make it, with the model in ``folder``."""
    os.environ["OMP_NUM_THREADS"] = "1"
    settings = SpeechSettings(recognizer="vllm", recognizer_model=str(folder), recognizer_engine=ENGINE, worker_wait_s=60)
    recognizer = stack.recognizer(settings)
    assert isinstance(recognizer, VllmRecognizer)
    await recognizer.start()
    try:
        yield recognizer
    finally:
        await recognizer.stop()
