"""Time a bench model's cold and cached prompts: ``python -m models.bench.measure --model bench-gpt-oss``."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from models import offline
from models.bench.make import DEFAULT_OUT
from models.bench.shapes import BENCH_MODELS, BenchModel

_SEED = 1
_WARM_UP_TOKENS = 64

# Ids that both tokenizers have, away from special tokens.
_FIRST_ID, _LAST_ID = 10, 250


def measure(model: BenchModel, folder: Path, *, tokens: int, shared: int, dtype: str) -> dict[str, Any]:
    """Answer a prompt of ``tokens`` random tokens, then another one that begins with the same ``shared`` tokens.

    Returns seconds until the first token and cached prompt tokens of both, and the seconds that loading took.
    """
    rng = random.Random(_SEED)
    started_s = time.monotonic()
    engine = offline.load(
        folder,
        max_model_len=4096,
        max_num_seqs=4,
        max_num_batched_tokens=2048,
        kv_cache_memory_bytes=512 << 20,
        **model.engine | {"dtype": dtype},
    )
    load_s = time.monotonic() - started_s
    _first_token(engine, _random_ids(rng, _WARM_UP_TOKENS))
    prefix = _random_ids(rng, shared)
    cold_s, cold_cached = _first_token(engine, prefix + _random_ids(rng, tokens - shared))
    warm_s, warm_cached = _first_token(engine, prefix + _random_ids(rng, tokens - shared))
    return {
        "model": model.name,
        "prompt_tokens": tokens,
        "dtype": dtype,
        "load_s": round(load_s, 2),
        "cold_s": round(cold_s, 3),
        "cold_cached_tokens": cold_cached,
        "warm_s": round(warm_s, 3),
        "warm_cached_tokens": warm_cached,
    }


def _random_ids(rng: random.Random, count: int) -> list[int]:
    return [rng.randint(_FIRST_ID, _LAST_ID) for _ in range(count)]


def _first_token(engine: Any, prompt: list[int]) -> tuple[float, int]:
    from vllm import SamplingParams

    started_s = time.monotonic()
    (output,) = engine.generate(
        [{"prompt_token_ids": prompt}], SamplingParams(max_tokens=1, temperature=0, ignore_eos=True), use_tqdm=False
    )
    return time.monotonic() - started_s, int(output.num_cached_tokens or 0)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    models = {model.name: model for model in BENCH_MODELS}
    parser = argparse.ArgumentParser(prog="python -m models.bench.measure", description="Time cold and cached prompts.")
    parser.add_argument("--model", choices=sorted(models), required=True)
    parser.add_argument("--folder", type=Path, default=DEFAULT_OUT, help="where the models' folders are (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=2000, help="prompt tokens (default: %(default)s)")
    parser.add_argument("--shared", type=int, default=1900, help="tokens that both prompts begin with (default: %(default)s)")
    parser.add_argument("--dtype", default=offline.fast_dtype(), help="weights and arithmetic (default on this CPU: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if not 0 < options.shared < options.tokens:
        parser.error("--shared must be between 0 and --tokens")
    print(f"loading {options.model} ...", file=sys.stderr, flush=True)
    result = measure(
        models[options.model], options.folder / options.model, tokens=options.tokens, shared=options.shared, dtype=options.dtype
    )
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:20} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
