"""Sends a schedule of requests, each at its time whatever has become of those before, and notes what came back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from bench.arithmetic import quantile
from bench.engines.workload import Ask
from bench.load import Client, Outcome, Target

_TIMEOUT_S = 300.0
#: Enough to see the first: what is measured is the prompt.
MAX_TOKENS = 2


def body(model: str, ask: Ask, max_tokens: int) -> bytes:
    """A text completion: random weights say nothing that a chat format could be found in."""
    return json.dumps(
        {
            "model": model,
            "prompt": f"{ask.prefix} {ask.question}",
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()


async def open_loop(url: str, keys: Sequence[str], model: str, asks: Sequence[Ask]) -> Outcome:
    """Send each request when its time has come, on a connection of its own, with its organization's key."""
    outcome = Outcome()
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async def one(ask: Ask) -> None:
        await asyncio.sleep(began_s + ask.at_s - loop.time())
        await send(url, keys, model, ask, outcome)

    await asyncio.gather(*map(one, asks))
    outcome.wall_s = loop.time() - began_s
    return outcome


async def one_by_one(url: str, keys: Sequence[str], model: str, asks: Sequence[Ask]) -> Outcome:
    """Send each request when the one before has ended."""
    outcome = Outcome()
    for ask in asks:
        await send(url, keys, model, ask, outcome)
    return outcome


async def send(url: str, keys: Sequence[str], model: str, ask: Ask, outcome: Outcome, max_tokens: int = MAX_TOKENS) -> None:
    """Send one request with its organization's key; what comes back goes to ``outcome``."""
    target = Target(url, {"authorization": f"Bearer {keys[ask.organization]}"}, path="/v1/completions")
    client = Client(target, _TIMEOUT_S)
    try:
        await client.send(target.request(body(model, ask, max_tokens)), outcome)
    finally:
        client.close()


def summary(outcome: Outcome) -> dict[str, float | int]:
    """Times to the first token in seconds, and how much of the prompts was found cached, as the answers' usage tells it."""
    ttft_s = [sample.ttft_s for sample in outcome.samples]
    prompt_tokens = sum(sample.prompt_tokens for sample in outcome.samples)
    cached_tokens = sum(sample.cached_tokens for sample in outcome.samples)
    return {
        "requests": len(outcome.samples),
        "failed": len(outcome.failures),
        "ttft_mean_s": sum(ttft_s) / len(ttft_s),
        "ttft_p50_s": quantile(ttft_s, 0.5),
        "ttft_p90_s": quantile(ttft_s, 0.9),
        "ttft_p99_s": quantile(ttft_s, 0.99),
        "prompt_tokens": prompt_tokens,
        "hit_tokens": cached_tokens,
        "hit_share": cached_tokens / prompt_tokens if prompt_tokens else 0.0,
        "wall_s": outcome.wall_s,
    }
