"""Requests inside a real engine: cache, faults, abort, timing, metrics."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import prometheus_client
import pytest

from cluster.config.settings.routing import RelaySettings
from cluster.engine.cold_start import Phase, PhaseReport
from cluster.engine.contract import FaultKind
from cluster.engine.deployment import EngineReplica
from cluster.engine.vllm.engine import VllmEngine
from tests.integration.engine.asking import ask, make_request
from tests.integration.engine.conftest import RANK, demo_settings

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="package")]

MODEL = "gpt-oss-demo"


def chat(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_completion_tokens": 4} | fields


ENDLESS = chat(max_completion_tokens=3000, ignore_eos=True)


async def test_a_cold_start_reports_its_phases_in_order(engine: VllmEngine, phases: list[PhaseReport]) -> None:
    assert [report.phase for report in phases] == list(Phase)
    assert all(report.seconds >= 0 for report in phases)
    assert sum(report.seconds for report in phases) == pytest.approx(phases[-1].total_s, abs=2.0)


async def test_a_started_engine_is_healthy(engine: VllmEngine) -> None:
    await engine.check_health()


async def test_a_repeated_prefix_hits_under_its_salt_and_misses_under_another(engine: VllmEngine) -> None:
    prefix = "one two three four five six seven eight nine ten " * 60

    async def cached(ending: str, salt: str, *, stream: bool) -> int:
        request = make_request(chat(prefix + ending), model=MODEL, salt=salt, stream=stream)
        return (await ask(engine, request)).usage.cached_tokens

    for stream in (False, True):
        mine, theirs = f"mine-{stream}", f"theirs-{stream}"
        assert await cached("first", mine, stream=stream) == 0
        assert await cached("a second question that goes on for some time", mine, stream=stream) >= 256
        assert await cached("first", theirs, stream=stream) == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_too_long_prompt_exceeds_the_context(engine: VllmEngine, stream: bool) -> None:
    answer = await ask(engine, make_request(chat("a b " * 3000), model=MODEL, stream=stream))
    assert answer.fault is not None
    assert (answer.fault.kind, answer.fault.param) == (FaultKind.CONTEXT_LENGTH, "messages")
    assert answer.fault.message.startswith("This model's maximum context length is 4096 tokens. However, your messages")
    completion = await ask(engine, make_request({"prompt": "a b " * 3000, "max_tokens": 1}, model=MODEL, stream=stream))
    assert completion.fault is not None
    assert (completion.fault.kind, completion.fault.param) == (FaultKind.CONTEXT_LENGTH, "prompt")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"logprobs": True, "top_logprobs": 1000}, None),
        ({"reasoning_effort": "none"}, None),
        ({"messages": [{"role": "nobody", "content": "x"}]}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_vllm_refuses_is_the_requests_fault(
    engine: VllmEngine, fields: dict[str, Any], param: str | None, stream: bool
) -> None:
    answer = await ask(engine, make_request(chat() | fields, model=MODEL, stream=stream))
    assert answer.fault is not None
    assert answer.fault.kind is FaultKind.INVALID_REQUEST
    if param is not None:
        assert answer.fault.param == param
    assert answer.payloads == []


async def test_nothing_is_started_after_the_deadline(engine: VllmEngine) -> None:
    answer = await ask(engine, make_request(chat(), model=MODEL, deadline_unix_s=time.time() - 1))
    assert answer.fault is not None
    assert answer.fault.kind is FaultKind.DEADLINE


async def test_closing_a_stream_aborts_at_once(engine: VllmEngine) -> None:
    frames = engine.generate(make_request(ENDLESS, model=MODEL, stream=True))
    await anext(frames)
    assert engine.unfinished_requests() == 1
    await frames.aclose()
    assert engine.unfinished_requests() == 0


@pytest.mark.parametrize(
    "body",
    [ENDLESS, ENDLESS | {"n": 2, "temperature": 1.0}, {"prompt": ["a", "b"], "max_tokens": 3000, "ignore_eos": True}],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_the_task_that_reads_an_answer_aborts_it(engine: VllmEngine, body: dict[str, Any], stream: bool) -> None:
    task = asyncio.ensure_future(ask(engine, make_request(body, model=MODEL, stream=stream)))
    await asyncio.sleep(0.5)
    assert engine.unfinished_requests() > 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.05)
    assert engine.unfinished_requests() == 0


def in_work(replica: EngineReplica) -> tuple[int, int]:
    """Requests that produce tokens, and those that have none yet, as its router is told."""
    stats = replica.record_routing_stats()
    return stats["running"], stats["waiting"]


async def test_a_replica_streams_first_frames_at_once_and_aborts_when_closed(engine: VllmEngine) -> None:
    replica = EngineReplica(demo_settings(), RelaySettings(), engine=engine)
    stream = replica.stream(make_request(ENDLESS, model=MODEL, stream=True))
    await anext(stream)
    assert in_work(replica) == (1, 0)
    await stream.aclose()
    assert engine.unfinished_requests() == 0
    assert in_work(replica) == (0, 0)


async def test_a_request_of_higher_priority_overtakes_those_that_wait(engine: VllmEngine) -> None:
    order: list[int] = []

    async def run(priority: int) -> None:
        body = chat(max_completion_tokens=24, ignore_eos=True)
        await ask(engine, make_request(body, model=MODEL, priority=priority))
        order.append(priority)

    waiting = [asyncio.ensure_future(run(10)) for _ in range(40)]
    await asyncio.sleep(0.05)
    await asyncio.gather(*waiting, run(0))
    assert order.index(0) < 32, "16 run at a time: among the second 16 at the latest"


async def test_vllms_own_metrics_carry_the_replicas_rank(engine: VllmEngine) -> None:
    labels = {"model_name": MODEL, "engine": str(RANK)}
    before = prometheus_client.REGISTRY.get_sample_value("vllm:prompt_tokens_total", labels)
    assert before is not None
    answer = await ask(engine, make_request(chat("count me"), model=MODEL))
    await asyncio.sleep(0.1)
    after = prometheus_client.REGISTRY.get_sample_value("vllm:prompt_tokens_total", labels)
    assert after == before + answer.usage.prompt_tokens
