"""Processor time of an engine's front end per streamed token: vLLM's chat serving class against the lean one, in one run.

``python -m bench.engine_front_end [--streams 1 16 64] [--repeats 5] [--json FILE] [--profile]`` (after ``make models``).

The engine core is vLLM's, in its own process, with a fake executor (``bench/fake_executor.py``) that answers each request with the
same Harmony text, one token a step. What is measured is the processor time of *this* process, in which a replica would receive the
core's messages and make chunks of them. ``lean`` passes everything through the generators; ``direct`` has a sink, as the stepped
relay gives it. Front ends take turns; a figure is the median over the repeats. ``floor`` is vLLM's
``AsyncLLM.generate`` without detokenizing, with nothing done with its tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import json
import os
import pstats
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench.programs import ROOT
from bench.scripted import ENGINE, QUESTION, SCRIPT_VARIABLE, SOURCE, ScriptedEngine, script
from cluster.config.settings.models import ModelSettings
from cluster.engine.contract import EngineRequest, Operation

MODEL = "bench"
FRONT_ENDS = ("vllm", "lean", "direct", "floor")


class BenchEngine(ScriptedEngine):
    """Its front end can be chosen for each request."""

    def choose(self, front_end: str) -> None:
        self._lean = front_end in ("lean", "direct")

    async def raw(self, number: int, max_tokens: int) -> int:
        """Tokens of one generation as they come out of ``AsyncLLM``."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(max_tokens=max_tokens, temperature=0.0, detokenize=False, output_kind=RequestOutputKind.DELTA)
        tokens = 0
        async for output in self._llm.generate({"prompt_token_ids": [1, 2, 3]}, params, f"raw-{number}"):
            tokens += len(output.outputs[0].token_ids)
        return tokens


def settings() -> ModelSettings:
    environment = {"OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    return ModelSettings.model_validate({"id": MODEL, "source": str(SOURCE), "environment": environment, "engine": ENGINE})


class _Nowhere:
    """A reader that keeps up, as the channel to a gateway does."""

    ready = True

    def put(self, payloads: list[bytes]) -> None:
        return


class Bench:
    """Rounds of streams against one engine."""

    def __init__(self, engine: BenchEngine, tokens: int) -> None:
        self._engine = engine
        self._tokens = tokens
        self._numbers = itertools.count()

    async def round(self, front_end: str, streams: int) -> tuple[float, float]:
        """Microseconds of processor time a token, and tokens a second."""
        self._engine.choose(front_end)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        counts = await asyncio.gather(*(self._stream(front_end) for _ in range(streams)))
        cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
        if set(counts) != {self._tokens}:
            raise RuntimeError(f"streams of {self._tokens} tokens were asked for, but these came: {sorted(set(counts))}")
        return cpu_s / sum(counts) * 1e6, sum(counts) / wall_s

    async def _stream(self, front_end: str) -> int:
        number = next(self._numbers)
        if front_end == "floor":
            return await self._engine.raw(number, self._tokens)
        request = EngineRequest(
            request_id=f"chatcmpl-{number}",
            operation=Operation.CHAT,
            body=msgspec.json.encode({"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}),
            stream=True,
            cache_salt="bench",
            org_tag="bench",
        )
        async for frame in self._engine.generate(request, _Nowhere() if front_end == "direct" else None):
            if frame.fault is not None:
                raise RuntimeError(frame.fault.message)
            if frame.usage is not None:
                return frame.usage.completion_tokens
        raise RuntimeError("the stream ended without usage")


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    said = script(options.thought_sentences, options.answer_sentences, options.step_ms / 1000)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(said, file)
        file.flush()
        os.environ[SCRIPT_VARIABLE] = file.name
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        engine = BenchEngine(settings())
        await engine.start()
    try:
        bench = Bench(engine, len(said["tokens"]))
        rows = []
        for streams in options.streams:
            for front_end in FRONT_ENDS:
                await bench.round(front_end, streams)
            rounds: dict[str, list[tuple[float, float]]] = {front_end: [] for front_end in FRONT_ENDS}
            for _ in range(options.repeats):
                for front_end in FRONT_ENDS:
                    rounds[front_end].append(await bench.round(front_end, streams))
            rows.append(row(streams, rounds))
        if options.profile:
            with cProfile.Profile(time.process_time) as profile:
                await bench.round("direct", options.streams[-1])
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
        return {"tokens_per_stream": len(said["tokens"]), "step_ms": options.step_ms, "repeats": options.repeats, "rows": rows}
    finally:
        await engine.stop()


def row(streams: int, rounds: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    found: dict[str, Any] = {"streams": streams}
    for front_end, pairs in rounds.items():
        costs = [cost for cost, _ in pairs]
        found[front_end] = {
            "us_per_token": round(statistics.median(costs), 1),
            "range": [round(min(costs), 1), round(max(costs), 1)],
            "tokens_per_s": round(statistics.median(rate for _, rate in pairs)),
        }
    for ours in ("lean", "direct"):
        ratios = [mine / vllm for (mine, _), (vllm, _) in zip(rounds[ours], rounds["vllm"], strict=True)]
        found[f"{ours}_to_vllm"] = round(statistics.median(ratios), 3)
    return found


def show(result: dict[str, Any]) -> None:
    print(f"{result['tokens_per_stream']} tokens a stream, steps of {result['step_ms']} ms, median of {result['repeats']}")
    names = "".join(f"{front_end:>22}" for front_end in FRONT_ENDS)
    print(f"{'streams':>8}{names}{'lean/vllm':>11}{'direct/vllm':>12}   µs of processor time a token (range)")
    for found in result["rows"]:
        cells = [
            f"{found[front_end]['us_per_token']} ({found[front_end]['range'][0]}-{found[front_end]['range'][1]})"
            for front_end in FRONT_ENDS
        ]
        costs = "".join(f"{cell:>22}" for cell in cells)
        print(f"{found['streams']:>8}{costs}{found['lean_to_vllm']:>11}{found['direct_to_vllm']:>12}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--step-ms", type=float, default=20.0, help="how long the engine core takes for a step")
    parser.add_argument("--thought-sentences", type=int, default=3)
    parser.add_argument("--answer-sentences", type=int, default=4)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--profile", action="store_true", help="print a profile of the lean front end too")
    options = parser.parse_args()
    result = uvloop.run(measure(options))
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
