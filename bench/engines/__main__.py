"""Routing policies on real CPU engines, one after another: ``python -m bench.engines`` (``make bench-engines``).

Each policy gets a new cluster, so that no cache is left over, and the same requests at the same times.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvloop

from bench import record
from bench.arithmetic import ratio
from bench.engines import calibrate, prediction
from bench.engines.capacity import BLOCK_TOKENS, cache_bytes
from bench.engines.drive import one_by_one, open_loop, summary
from bench.engines.tenants import organization_keys
from bench.engines.workload import BYTES_PER_TOKEN, RETENTION_INTERVAL_TOKENS, Workload, first_asks, schedule
from bench.exclusive import Exclusive
from bench.live.ossature import Cluster
from bench.live.run import say
from bench.programs import ROOT, Unavailable
from models import offline
from models.bench.shapes import BENCH_GPT_OSS

POLICIES = ("affinity", "random", "round_robin", "least_load", "power_of_two")
DEFAULT_POLICIES = ("affinity", "random", "round_robin")
_MODEL = BENCH_GPT_OSS
#: Room above what the workload fills, for requests that run, in prompts.
_RUNNING_PROMPTS = 2


def model_settings(engines: int, layers: int, prompts: float, prompt_tokens: int) -> dict[str, Any]:
    """The bench model, cut to so many layers (an even number), with a cache for so many prompts on each engine."""
    source = ROOT / ".models" / _MODEL.name
    if not source.exists():
        raise Unavailable(f"{source} is not there (make models)")
    dtype = offline.fast_dtype()
    config = _MODEL.config
    return {
        "id": _MODEL.name,
        "source": str(source),
        "replicas": engines,
        "max_ongoing_requests": 64,
        "placement": {"cpus_per_worker": 0.5},
        "environment": {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        "engine": _MODEL.engine
        | {
            "dtype": dtype,
            "enforce_eager": True,
            "block_size": BLOCK_TOKENS,
            "max_model_len": 4096,
            "max_num_seqs": 16,
            "prefix_cache_retention_interval": RETENTION_INTERVAL_TOKENS,
            "kv_cache_memory_bytes": cache_bytes(config, layers, dtype, prompts, prompt_tokens, RETENTION_INTERVAL_TOKENS),
            "hf_overrides": {"num_hidden_layers": layers, "layer_types": config["layer_types"][:layers]},
        },
    }


def run_policy(
    policy: str, model: Mapping[str, Any], workload: Workload, rate_per_s: float | None, load: float, kv_tokens: int | None
) -> tuple[dict[str, Any], float]:
    """Start a cluster, fill its caches, send the schedule, measure the engines' rates, end it.

    Returns the figures, with what the replay predicts from those rates, and the rate of arrivals that was used. Without
    ``kv_tokens``, what each engine's cache holds, rates are not measured and nothing is predicted.
    """
    bytes_per_token = BYTES_PER_TOKEN[_MODEL.tokenizer]
    settings = {
        "ray": {"num_cpus": max(2, model["replicas"])},
        "identity": {},
        "routing": {"policy": policy},
        "models": [model],
    }
    cluster = Cluster(f"engines-{policy}", settings)
    try:
        url = cluster.endpoints["http"]
        keys = organization_keys(url, cluster.endpoints["admin_key"], workload.organizations)
        first_ones = first_asks(workload, bytes_per_token)
        first = uvloop.run(one_by_one(url, keys, model["id"], first_ones))
        if first.failures:
            raise Unavailable(f"{policy}: {first.failures[0]}")
        cold_s = statistics.median(sample.ttft_s for sample in first.samples)
        rate = rate_per_s or load * model["replicas"] / cold_s
        say(f"{policy}: a new prompt takes {cold_s:.2f} s to its first token; sending {rate:.2f} requests/s")
        asks = schedule(workload, rate, bytes_per_token)
        outcome = uvloop.run(open_loop(url, keys, model["id"], asks))
        replicas = model["replicas"]
        samples = []
        if kv_tokens is not None:
            samples = uvloop.run(calibrate.measure(url, keys, model["id"], replicas, bytes_per_token, workload.seed + 3))
    finally:
        cluster.stop()
    figures = summary(outcome) | {"cold_ttft_s": cold_s, "failures": outcome.failures[:3]}
    if kv_tokens is not None and not outcome.failures:
        profile = calibrate.fitted(samples, f"{model['id']}-here", model["engine"], kv_tokens)
        tokens = prediction.token_counts(first_ones, first.samples) | prediction.token_counts(asks, outcome.samples)
        simulated, began_s = prediction.as_workload(first_ones, asks, tokens, BLOCK_TOKENS)
        figures["engine_profile"] = prediction.as_json(profile)
        figures["predicted"] = prediction.predicted(simulated, began_s, profile, policy, replicas)
    return figures, rate


def render(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The table in Markdown; ratios are to the first policy."""
    lines = ["| policy | TTFT p50 s | p90 s | p99 s | hit tokens | hit share | failed |", "|---|---:|---:|---:|---:|---:|---:|"]
    first = next(iter(results.values()))
    for name, figures in results.items():
        cells = []
        for key in ("ttft_p50_s", "ttft_p90_s", "ttft_p99_s"):
            share = ratio(figures[key], first[key])
            cells.append(f"{figures[key]:.3f}" + (f" ({share:.1f}x)" if share is not None and figures is not first else ""))
        cells += [f"{figures['hit_tokens']:,}", f"{figures['hit_share']:.1%}", str(figures["failed"])]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    default = Workload()
    parser = argparse.ArgumentParser(prog="python -m bench.engines", description="Routing policies on real CPU engines.")
    parser.add_argument("--policy", action="append", choices=POLICIES, help=f"repeatable (default: {', '.join(DEFAULT_POLICIES)})")
    parser.add_argument("--engines", type=int, default=2, help="engine replicas (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=6, help="layers of the model to keep, at most 24 (default: %(default)s)")
    parser.add_argument("--organizations", type=int, default=default.organizations, help="default: %(default)s")
    parser.add_argument("--users", type=int, default=default.users, help="users of each (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=default.requests_per_user, help="requests of each (default: %(default)s)")
    parser.add_argument("--prefix", type=int, default=default.prefix_tokens, help="tokens of each prefix (default: %(default)s)")
    parser.add_argument("--fill", type=float, default=0.9, help="part of all caches that prefixes fill (default: %(default)s)")
    parser.add_argument("--load", type=float, default=3.0, help="arrivals, as a multiple of what the engines could do uncached")
    parser.add_argument("--rate", type=float, help="arrivals a second instead")
    parser.add_argument("--no-prediction", action="store_true", help="don't measure the engines' rates for the replay")
    parser.add_argument("--seed", type=int, default=default.seed, help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="where to write everything (default: a new file in .bench/results)")
    parser.add_argument("--lock", type=Path, help="lock file to hold, where several measurements share a machine")
    parser.add_argument("--lock-s", type=float, default=300.0, help="give it away between policies after so many seconds")
    options = parser.parse_args(argv)
    workload = Workload(
        organizations=options.organizations,
        users=options.users,
        requests_per_user=options.requests,
        prefix_tokens=options.prefix,
        seed=options.seed,
    )
    prompt_tokens = workload.prefix_tokens + workload.question_tokens
    prompts = workload.organizations / options.fill / options.engines + _RUNNING_PROMPTS
    result = record.circumstances() | {
        "kind": "engines",
        "workload": asdict(workload),
        "engines": options.engines,
        "layers": options.layers,
        "load": options.load,
        "capacity_prompts_per_engine": prompts,
    }
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Asked to end, it ends its cluster and tells what it has got so far.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rate: float | None = options.rate
    results: dict[str, dict[str, Any]] = {}
    try:
        model = model_settings(options.engines, options.layers, prompts, prompt_tokens)
        with Exclusive(options.lock, options.lock_s) as exclusive:
            for policy in options.policy or DEFAULT_POLICIES:
                exclusive.pause()
                kv_tokens = None if options.no_prediction else round(prompts * prompt_tokens)
                results[policy], rate = run_policy(policy, model, workload, rate, options.load, kv_tokens)
    except (Unavailable, KeyboardInterrupt) as reason:
        say(str(reason) or "interrupted")
        if not results:
            return 1
        result["unfinished"] = str(reason) or "interrupted"
    path = record.save(result | {"rate_per_s": rate, "policies": results}, "engines", options.json)
    print(render(results), flush=True)
    if options.no_prediction:
        say(f"everything is in {path}")
        return 0 if "unfinished" not in result else 1
    print("\nThe replay, with rates measured in the same run; measured → predicted\n", flush=True)
    predictions = {policy: figures["predicted"] for policy, figures in results.items() if "predicted" in figures}
    print(prediction.render(results, predictions), flush=True)
    say(f"everything is in {path}")
    return 0 if "unfinished" not in result else 1


if __name__ == "__main__":
    sys.exit(main())
