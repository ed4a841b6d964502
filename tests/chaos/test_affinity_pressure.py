"""Conversations that are forced off the replica which has their prefix ask for one more, on a live cluster and by nothing else."""

from __future__ import annotations

import asyncio
import itertools
import time
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.fakes.profile import Profile
from bench.fakes.slowness import FOLDER_VARIABLE
from cluster.engine.prompt_waits import WINDOW_S
from cluster.engine.scaling import SETTLING_S
from tests.chaos.cluster import FAKE_MODEL, MODEL, REPLICAS, SLOWNESS, ChaosCluster, running, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FORCED_OFF = "ossature_affinity_forced_off_total"
MAX_SHARE = 0.05
SCALING = {
    "min_replicas": REPLICAS,
    "max_replicas": REPLICAS + 1,
    # Far above what the load comes to: by load alone there would be no third replica.
    "target_ongoing_requests": 200,
    "max_forced_off_share": MAX_SHARE,
    "upscale_delay_s": 1,
}
CONVERSATIONS = 120
RATE_PER_S = 20.0
PREFIX_BYTES = 8192
"""About two thousand tokens: a replica that has them is worth going to."""
ANSWER = Profile(ttft_us=20_000, step_us=20_000, tokens=10)
SLOWER = 10
ADDED_WITHIN_S = 120.0


def conversation(number: int) -> dict[str, Any]:
    """The next turn of one of the conversations, which all begin differently."""
    beginning = (f"Conversation {number:03}. " * (PREFIX_BYTES // 10))[:PREFIX_BYTES]
    messages = [{"role": "system", "content": beginning}, {"role": "user", "content": ANSWER.text}]
    return {"messages": messages, "model": MODEL, "stream": True}


async def talk(cluster: ChaosCluster, stopped: asyncio.Event) -> list[int]:
    """One turn of one conversation after the other, at a steady rate. Statuses of the answers."""
    statuses: list[int] = []
    headers = {"Authorization": f"Bearer {cluster.api_key}"}
    async with (
        aiohttp.ClientSession(cluster.http, connector=aiohttp.TCPConnector(limit=0), headers=headers) as session,
        asyncio.TaskGroup() as group,
    ):

        async def turn(number: int) -> None:
            async with session.post("/v1/chat/completions", json=conversation(number)) as answer:
                await answer.read()
                statuses.append(answer.status)

        for number in itertools.cycle(range(CONVERSATIONS)):
            if stopped.is_set():
                break
            group.create_task(turn(number))
            await asyncio.sleep(1 / RATE_PER_S)
    return statuses


def has_one_more(cluster: ChaosCluster) -> bool:
    return cluster.ready_replicas() == REPLICAS + 1


async def test_conversations_that_lose_their_cache_ask_for_a_replica(tmp_path: Path) -> None:
    """One of two replicas gets slow, and what it has cached is asked for at the other one."""
    (tmp_path / SLOWNESS).mkdir()
    settings = {"models": [{key: value for key, value in FAKE_MODEL.items() if key != "replicas"} | {"autoscaling": SCALING}]}
    with running(tmp_path, settings, variables={FOLDER_VARIABLE: str(tmp_path / SLOWNESS)}) as cluster:
        stopped = asyncio.Event()
        talking = asyncio.create_task(talk(cluster, stopped))
        try:
            await asyncio.sleep(SETTLING_S + 15.0)
            before = await asyncio.to_thread(cluster.metric, FORCED_OFF, model=MODEL)
            assert len(cluster.engines()) == REPLICAS, "a replica was added though every conversation has its cache"
            began_s = time.monotonic()
            with cluster.slowed(cluster.engines()[0], SLOWER):
                await asyncio.to_thread(until, partial(has_one_more, cluster), ADDED_WITHIN_S, "nothing was added")
            took_s = time.monotonic() - began_s
            forced = await asyncio.to_thread(cluster.metric, FORCED_OFF, model=MODEL) - before
        finally:
            stopped.set()
            statuses = await talking
    assert set(statuses) == {200}
    assert forced >= MAX_SHARE * RATE_PER_S * WINDOW_S / 3, f"{forced:.0f} requests were forced off in {took_s:.0f} s"
    assert before < MAX_SHARE * len(statuses)
