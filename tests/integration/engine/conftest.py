"""One engine with the demo model for all tests of this folder, and a tiny model for those that need an engine of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cluster.config.settings.models import ModelSettings
from cluster.engine.cold_start import PhaseReport
from cluster.engine.vllm.engine import VllmEngine
from tests.integration.engine.tiny_model import make_tiny_llama

DEMO = Path(__file__).parents[3] / ".models" / "gpt-oss-demo"
RANK = 3


def demo_settings(**engine: Any) -> ModelSettings:
    return ModelSettings.model_validate(
        {
            "id": "gpt-oss-demo",
            "source": str(DEMO),
            "environment": {"OMP_NUM_THREADS": "1"},
            "engine": {
                "dtype": "float32",
                "enforce_eager": True,
                "block_size": 32,
                "max_model_len": 4096,
                "max_num_seqs": 16,
                "kv_cache_memory_bytes": 128 << 20,
            }
            | engine,
        }
    )


@pytest.fixture(scope="package")
def phases() -> list[PhaseReport]:
    """Phases of the shared engine's cold start."""
    return []


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def engine(phases: list[PhaseReport]) -> AsyncIterator[VllmEngine]:
    """The demo model, started once. Tests that use it run on the package's event loop, and it ends with the last of them."""
    if not (DEMO / "config.json").exists():
        from models.demo.expand import expand

        expand(DEMO)
    os.environ["OMP_NUM_THREADS"] = "1"
    shared = VllmEngine(demo_settings(), rank=RANK, on_phase=phases.append)
    await shared.start()
    try:
        yield shared
    finally:
        await shared.stop()


@pytest.fixture(scope="package")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny-llama"))
