"""An engine profile for the replay, from what real engines take: so that a replay's prediction can be held against a measurement.

The rates are measured while all engines are at work, each on one prompt, as they are under load; nothing of the workload that is
predicted goes into them.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.engines.drive import send
from bench.engines.workload import Ask, made_up_text
from bench.load import Outcome, Sample
from bench.programs import Unavailable
from cluster.replay.engine_profile import EngineProfile

PROMPT_TOKENS = (200, 500, 1000, 1500, 2500)
_REPEATS = 3
_DECODED_TOKENS = 24


async def measure(url: str, keys: Sequence[str], model: str, engines: int, bytes_per_token: float, seed: int) -> list[Sample]:
    """Prompts that nobody has asked before, ``engines`` at a time. Raises ``Unavailable`` when one fails."""
    rng = random.Random(seed)
    outcome = Outcome()
    for _ in range(_REPEATS):
        for tokens in PROMPT_TOKENS:
            asks = [Ask(0.0, number % len(keys), made_up_text(rng, tokens, bytes_per_token), "") for number in range(engines)]
            await asyncio.gather(*(send(url, keys, model, ask, outcome, max_tokens=_DECODED_TOKENS) for ask in asks))
    if outcome.failures:
        raise Unavailable(f"calibration: {outcome.failures[0]}")
    return outcome.samples


def fitted(samples: Sequence[Sample], name: str, engine: Mapping[str, Any], kv_tokens: int) -> EngineProfile:
    """Least squares, for every prompt ``ttft = fixed + a · n + b · n² / 2``, with no rate below 0; decoding from what came after.

    ``engine``: the engine's arguments, for its limits.
    """
    tokens = np.array([sample.prompt_tokens - sample.cached_tokens for sample in samples], dtype=float)
    ttft_ms = np.array([sample.ttft_s for sample in samples]) * 1e3
    columns = [np.ones_like(tokens), tokens, tokens**2 / 2]
    while True:
        rates, *_ = np.linalg.lstsq(np.stack(columns, axis=1), ttft_ms, rcond=None)
        if len(rates) == 1 or rates[-1] >= 0:
            break
        columns.pop()  # too little of it to be seen
    fixed_ms, per_token_ms, per_pair_ms = [*(float(rate) for rate in rates), 0.0, 0.0][:3]
    answers = [sample for sample in samples if sample.completion_tokens > 1]
    decoded = [(sample.end_s - sample.first_s) * 1e3 / (sample.completion_tokens - 1) for sample in answers]
    step_ms = min(max(0.0, fixed_ms), statistics.median(decoded) if decoded else 0.0)
    return EngineProfile(
        name=name,
        step_ms=step_ms,
        prefill_ms_per_token=per_token_ms,
        attention_ms_per_pair=per_pair_ms,
        decode_ms_per_sequence=max(0.0, statistics.median(decoded) - step_ms) if decoded else 0.0,
        decode_ms_per_context_token=0.0,
        max_batched_tokens=int(engine.get("max_num_batched_tokens", 2048)),
        max_sequences=int(engine["max_num_seqs"]),
        kv_tokens=kv_tokens,
        retention_interval_tokens=engine.get("prefix_cache_retention_interval"),
    )
