"""A replica in a process of its own, for tests that kill its processes or need several engines.

``python -m tests.integration.engine.host SCENARIO MODEL_FOLDER``; prints one JSON object a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import Frame
from cluster.engine.deployment import EngineReplica
from cluster.engine.processes import descendants
from cluster.engine.vllm.engine import VllmEngine
from tests.integration.engine.asking import ask, make_request

MODEL = "tiny"
PROMPTS = ["the quick brown fox", "the lazy dog jumps over", "fox fox fox"]
ENDLESS = {"prompt": "the quick", "max_tokens": 1900, "ignore_eos": True}


def tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)  # noqa: T201


def settings(folder: Path, **engine: Any) -> ModelSettings:
    return ModelSettings.model_validate(
        {
            "id": MODEL,
            "source": str(folder),
            "environment": {"OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "WARNING"},
            "engine": {
                "dtype": "float32",
                "enforce_eager": True,
                "block_size": 32,
                "max_model_len": 2048,
                "max_num_seqs": 4,
                "kv_cache_memory_bytes": 32 << 20,
            }
            | engine,
        }
    )


def children() -> dict[str, int]:
    """The engine core and its worker, by pid."""
    below = descendants({os.getpid()})
    core = next(state for state in below if state.parent_pid == os.getpid())
    workers = [state for state in below if state.parent_pid == core.id.pid]
    return {"core": core.id.pid, "worker": workers[0].id.pid if workers else core.id.pid}


async def killed(folder: Path) -> None:
    """Kill the core under a stream, then, in a new engine, the worker. Tells how and when that was noticed."""
    for victim in ("core", "worker"):
        replica = EngineReplica(settings(folder), RelaySettings())
        await replica.start()
        stream = replica.stream(make_request(ENDLESS, model=MODEL, stream=True))
        await anext(stream)
        os.kill(children()[victim], signal.SIGKILL)
        killed_s = time.monotonic()
        last = Frame()
        async for item in stream:
            last = msgspec.msgpack.decode(item, type=Frame)
        ended_s = time.monotonic() - killed_s
        noticed = None
        while noticed is None:
            try:
                await replica.check_health()
                await asyncio.sleep(0.05)
            except Exception as error:  # noqa: BLE001
                noticed = type(error).__name__
        late = await anext(aiter(replica.stream(make_request(ENDLESS, model=MODEL, stream=True))))
        tell(
            victim=victim,
            fault=last.fault.kind if last.fault else None,
            ended_s=ended_s,
            health=noticed,
            health_s=time.monotonic() - killed_s,
            later_fault=msgspec.msgpack.decode(late, type=Frame).fault.kind,
        )
        await replica.stop()
        tell(left=[state.id.pid for state in descendants({os.getpid()})])


async def orphaned(folder: Path) -> None:
    """Start, answer, tell the children, and wait to be killed."""
    engine = VllmEngine(settings(folder), rank=5)
    await engine.start()
    answer = await ask(engine, make_request({"prompt": PROMPTS[0], "max_tokens": 5, "ignore_eos": True}, model=MODEL))
    await asyncio.sleep(0.5)
    tell(**children(), prompt_tokens=answer.usage.prompt_tokens, completion_tokens=answer.usage.completion_tokens)
    await asyncio.sleep(600)


async def parallel(folder: Path) -> None:
    """Greedy answers of one worker and of two."""
    for size in (1, 2):
        engine = VllmEngine(settings(folder, tensor_parallel_size=size))
        await engine.start()
        texts = [(await ask(engine, make_request({"prompt": prompt, "max_tokens": 24}, model=MODEL))).text() for prompt in PROMPTS]
        tell(size=size, texts=texts, workers=len(descendants({os.getpid()})))
        await engine.stop()


async def neighbours(folder: Path) -> None:
    """Two engines in one process; the later one ends. Tells what the first answers then."""
    first, later = VllmEngine(settings(folder)), VllmEngine(settings(folder), rank=1)
    await first.start()
    await later.start()
    await later.stop()
    answer = await ask(first, make_request({"prompt": PROMPTS[0], "max_tokens": 5, "ignore_eos": True}, model=MODEL))
    await first.check_health()
    tell(completion_tokens=answer.usage.completion_tokens)
    await first.stop()
    tell(left=[state.id.pid for state in descendants({os.getpid()})])


if __name__ == "__main__":
    scenarios = {"killed": killed, "orphaned": orphaned, "parallel": parallel, "neighbours": neighbours}
    asyncio.run(scenarios[sys.argv[1]](Path(sys.argv[2])))
