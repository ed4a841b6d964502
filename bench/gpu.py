"""Bare vLLM against the whole stack on GPUs, with gpt-oss shapes and random weights: ``python -m bench.gpu --size 20b``.

No weights are needed: the model's folder is a configuration and a tokenizer, and vLLM makes the rest (``load_format: dummy``). What
such a model says is noise, so requests are text completions that ignore the end token: speed is that of the real model, chat's
Harmony format is not in it (``python -m bench.live --engine vllm`` measures that on a CPU).

The two stacks run one after the other, since the larger model leaves no room for both. ``--dry-run`` checks everything short of the
GPU: the model's folder, both stacks' arguments by vLLM's own parser, the cluster's configuration, and the requests.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
import yaml

from bench import procfs, record
from bench.arithmetic import median, per_token_us, quantile, ratio
from bench.live.ossature import DEFAULT_RELAY, RELAY_SETTING, RELAYS, Cluster
from bench.live.run import say
from bench.live.stack import CORE, FRONT_END, ROUTER, Running
from bench.live.vllm import ApiServer, api_server_command, start_api_server
from bench.load import Outcome, Target, closed_loop
from bench.programs import ROOT, Unavailable
from models.bench.make import make
from models.bench.shapes import BENCH_GPT_OSS, BenchModel

DEFAULT_IN_FLIGHT = (1, 8, 32, 64, 128, 256, 512)
_START_TIMEOUT_S = 1200.0
_REQUEST_TIMEOUT_S = 600.0
#: Requests of a level: each slot sends as many, so that the first and the last wave do not decide.
_WAVES = 3
_LAYERS = {"20b": 24, "120b": 36}
_EXPERTS = {"20b": 32, "120b": 128}
_RECIPES = {"20b": "gpt-oss-20b-1x24gb.yaml", "120b": "gpt-oss-120b-1x80gb.yaml"}


def shape(size: str) -> BenchModel:
    """gpt-oss of this size, as its ``config.json`` describes it: experts in MXFP4, attention in bfloat16."""
    layers = _LAYERS[size]
    config = BENCH_GPT_OSS.config | {
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "num_hidden_layers": layers,
        "num_local_experts": _EXPERTS[size],
        "num_experts_per_tok": 4,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "layer_types": ["sliding_attention" if layer % 2 == 0 else "full_attention" for layer in range(layers)],
        "max_position_embeddings": 131_072,
        "swiglu_limit": 7.0,
        "initial_context_length": 4096,
        "quantization_config": {
            "quant_method": "mxfp4",
            "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"],
        },
    }
    return BenchModel(name=f"gpu-gpt-oss-{size}", tokenizer="harmony", config=config, engine={"load_format": "dummy"})


def model_entry(size: str, folder: Path, tensor_parallel: int, max_in_flight: int) -> dict[str, Any]:
    """The recipe's model entry with random weights and room for all requests of the largest level."""
    entry: dict[str, Any] = yaml.safe_load((ROOT / "configs" / _RECIPES[size]).read_text())["models"][0]
    engine = entry["engine"] | {"load_format": "dummy", "max_num_seqs": max_in_flight}
    if tensor_parallel > 1:
        engine["tensor_parallel_size"] = tensor_parallel
    return entry | {"source": str(folder), "max_ongoing_requests": 2 * max_in_flight, "engine": engine}


def cluster_settings(entry: Mapping[str, Any], relay: str) -> dict[str, Any]:
    """The cluster's configuration around that entry: limits out of the way, all else as always."""
    in_flight = entry["max_ongoing_requests"]
    return {
        "relay": {RELAY_SETTING: relay},
        "gateway": {"num_cpus": 1, "max_ongoing_requests": in_flight},
        "admission": {"max_concurrent_requests_per_organization": in_flight},
        "models": [dict(entry)],
    }


@dataclass(frozen=True, slots=True)
class Load:
    """Sizes in tokens. Prompts are all different: nothing is found cached, in either stack."""

    model: str
    prompt_tokens: int
    answer_tokens: int

    def bodies(self, seed: int) -> Callable[[int], bytes]:
        """Makes the n-th request; ids as text would be tokenized anew, so prompts are given as ids."""

        def body(number: int) -> bytes:
            rng = random.Random(f"{seed}-{number}")
            prompt = [rng.randrange(1000, 190_000) for _ in range(self.prompt_tokens)]
            request = {"model": self.model, "prompt": prompt, "max_tokens": self.answer_tokens, "temperature": 0}
            request |= {"ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}
            return json.dumps(request, separators=(",", ":")).encode()

        return body


def level(running: Running, load: Load, in_flight: int, seed: int) -> dict[str, float | None]:
    """One level of load. Raises ``Unavailable`` when requests fail or answers are short."""
    target = Target(running.target.url, running.target.headers, path="/v1/completions")
    before: procfs.Snapshot = {}

    def start() -> None:
        nonlocal before
        before = running.snapshot()

    body = load.bodies(seed)
    outcome = uvloop.run(
        closed_loop(
            target,
            body,
            in_flight=in_flight,
            requests=in_flight * _WAVES,
            timeout_s=_REQUEST_TIMEOUT_S,
            warm_up=load.bodies(-1 - seed)(0),
            on_start=start,
        )
    )
    cpu_s = procfs.used(before, running.snapshot())
    if outcome.failures:
        raise Unavailable(f"{len(outcome.failures)} requests failed, the first with {outcome.failures[0]}")
    if any(sample.completion_tokens != load.answer_tokens for sample in outcome.samples):
        raise Unavailable(f"an answer had not {load.answer_tokens} tokens")
    return figures(outcome, cpu_s)


def figures(outcome: Outcome, cpu_s: Mapping[str, float]) -> dict[str, float | None]:
    """Times in milliseconds, processor time in microseconds a generated token. TPOT: from the first token to the last, a token."""
    ttft_ms = [sample.ttft_s * 1e3 for sample in outcome.samples]
    tpot_ms = [
        (sample.end_s - sample.first_s) * 1e3 / (sample.completion_tokens - 1)
        for sample in outcome.samples
        if sample.completion_tokens > 1
    ]
    return {
        "tokens_per_s": outcome.tokens / outcome.wall_s,
        "ttft_p50_ms": quantile(ttft_ms, 0.5),
        "ttft_p99_ms": quantile(ttft_ms, 0.99),
        "tpot_p50_ms": quantile(tpot_ms, 0.5) if tpot_ms else None,
        "front_us_per_token": per_token_us(cpu_s.get(FRONT_END, 0.0) + cpu_s.get(ROUTER, 0.0), outcome.tokens),
        "core_us_per_token": per_token_us(cpu_s.get(CORE, 0.0), outcome.tokens),
    }


def measure(running: Running, load: Load, levels: Sequence[int], rounds: int) -> dict[str, dict[str, float | None]]:
    """Medians over rounds of every level."""
    results: dict[str, dict[str, float | None]] = {}
    for in_flight in levels:
        measured = [level(running, load, in_flight, seed=number) for number in range(rounds)]
        results[str(in_flight)] = {key: median(each[key] for each in measured) for key in measured[0]}
        say(f"  {in_flight} in flight: {results[str(in_flight)]['tokens_per_s']:.0f} tokens/s")
    return results


def start_vllm(entry: Mapping[str, Any]) -> Running:
    fleet = start_api_server(entry, _START_TIMEOUT_S)
    started = ApiServer(entry["id"]).start(fleet)
    return Running(started.target, started.model, started.version, started.programs, own=fleet.program)


def start_cluster(entry: Mapping[str, Any], relay: str) -> Running:
    return Cluster("gpu-ossature", cluster_settings(entry, relay), timeout_s=_START_TIMEOUT_S).running(entry["id"])


def check(entry: Mapping[str, Any], load: Load) -> list[str]:
    """What a dry run finds wrong; nothing when all is well. Imports vLLM, needs no GPU."""
    from cluster.config.schema import ClusterConfig
    from cluster.engine.vllm.arguments import check as check_arguments

    problems = []
    for relay in RELAYS:
        config = ClusterConfig.model_validate(cluster_settings(entry, relay))
        problems += check_arguments(config.models[0])
    command = api_server_command(entry, 8000)
    if "--load-format" not in command:
        problems.append("vLLM's API server would look for weights")
    limit = entry["engine"]["max_model_len"]
    if load.prompt_tokens + load.answer_tokens > limit:
        problems.append(f"prompt and answer are longer than the engine's {limit} tokens")
    request = json.loads(load.bodies(0)(0))
    if len(request["prompt"]) != load.prompt_tokens:
        problems.append("the prompt has not as many tokens as asked for")
    return problems


def render(results: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    """The table in Markdown; ratios are to bare vLLM."""
    keys = ("tokens_per_s", "ttft_p50_ms", "ttft_p99_ms", "tpot_p50_ms", "front_us_per_token")
    heads = ("tokens/s", "TTFT p50 ms", "p99 ms", "TPOT p50 ms", "front µs/token")
    lines = ["| in flight | stack | " + " | ".join(heads) + " |", "|---:|---|" + "---:|" * len(heads)]
    bare = results.get("vllm", {})
    for in_flight in dict.fromkeys(key for levels in results.values() for key in levels):
        for name, levels in results.items():
            cells = []
            for key in keys:
                value = levels[in_flight][key]
                share = ratio(value, bare.get(in_flight, {}).get(key)) if name != "vllm" else None
                cells.append("-" if value is None else f"{value:,.1f}" + (f" ({share:.2f}x)" if share is not None else ""))
            lines.append(f"| {in_flight} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="Bare vLLM against the whole stack on GPUs.")
    parser.add_argument("--size", action="append", choices=sorted(_LAYERS), help="gpt-oss shape (repeatable; default: both)")
    parser.add_argument("--stack", action="append", choices=("vllm", "ossature"), help="repeatable (default: both)")
    parser.add_argument("--relay", choices=RELAYS, default=DEFAULT_RELAY, help="the cluster's relay (default: %(default)s)")
    parser.add_argument("--in-flight", type=int, nargs="+", default=list(DEFAULT_IN_FLIGHT), help="default: %(default)s")
    parser.add_argument("--prompt-tokens", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--answer-tokens", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--tensor-parallel", type=int, default=1, help="GPUs of one engine (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take medians of (default: %(default)s)")
    parser.add_argument("--models", type=Path, default=ROOT / ".models", help="where the models' folders are made")
    parser.add_argument("--dry-run", action="store_true", help="check everything short of the GPU, and say what would run")
    parser.add_argument("--json", type=Path, help="where to write everything (default: a new file in .bench/results)")
    options = parser.parse_args(argv)
    if min(options.in_flight) < 1 or options.rounds < 1 or options.answer_tokens < 1 or options.prompt_tokens < 1:
        parser.error("counts must be at least 1")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = parse(argv)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind
    results: dict[str, Any] = {}
    failed = False
    for size in options.size or sorted(_LAYERS):
        model = shape(size)
        make(options.models, model)
        entry = model_entry(size, options.models / model.name, options.tensor_parallel, max(options.in_flight))
        load = Load(entry["id"], options.prompt_tokens, options.answer_tokens)
        problems = check(entry, load)
        for problem in problems:
            say(f"{size}: {problem}")
        failed = failed or bool(problems)
        if options.dry_run or problems:
            requests = sum(options.in_flight) * _WAVES * options.rounds
            print(f"{size}: {entry['source']}, {requests} requests a stack")
            print("  " + " ".join(api_server_command(entry, 8000)))
            continue
        results[size] = {}
        for stack in options.stack or ("vllm", "ossature"):
            try:
                running = start_vllm(entry) if stack == "vllm" else start_cluster(entry, options.relay)
            except Unavailable as reason:
                say(f"{size} {stack}: {reason}")
                failed = True
                continue
            try:
                say(f"{size} {stack}")
                results[size][stack] = measure(running, load, options.in_flight, options.rounds)
            except Unavailable as reason:
                say(f"{size} {stack}: {reason}")
                failed = True
            finally:
                running.stop()
        print(f"gpt-oss-{size}\n\n{render(results[size])}\n", flush=True)
    if results:
        options_used = {key: value for key, value in vars(options).items() if key not in ("json", "models")}
        path = record.save(record.circumstances() | {"kind": "gpu", "options": options_used, "sizes": results}, "gpu", options.json)
        say(f"everything is in {path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
