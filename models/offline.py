"""A vLLM engine in this process, without a server: for measuring models and testing them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "OMP_NUM_THREADS": "1",
}


def fast_dtype() -> str:
    """The type that this CPU computes fastest: bfloat16 where it has instructions for it, else float32."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    has_bfloat16 = flags is not None and bool({"amx_bf16", "avx512_bf16"} & set(flags[1].split()))
    return "bfloat16" if has_bfloat16 else "float32"


def load(folder: Path, **engine: Any) -> Any:
    """A ``vllm.LLM`` that computes in this process, on one thread.

    Must be called before anything has imported vLLM or torch: both read their settings when they are loaded.
    """
    os.environ.update(_ENVIRONMENT)
    from vllm import LLM

    return LLM(
        model=str(folder),
        enforce_eager=True,
        block_size=32,
        enable_prefix_caching=True,
        disable_log_stats=True,
        **engine,
    )
