"""Rolling changes under load: ``python -m bench.rolling [--fake] [--phases deploy,grace,scale,ttft,replace,surge]``.

A cluster of two gateways and two engine replicas gets 20 short requests a second and long streams one after the other, while

- ``deploy``: a configuration is deployed that replaces every gateway and every engine replica;
- ``grace``: replicas of engines are exchanged that may finish their streams for three seconds only: what is seen of a cut stream;
- ``scale``: Ray Serve takes one of two engine replicas away, when there are few streams, and starts another when there are many;
- ``ttft`` (fake engines only): it starts a second one because first tokens are late, and takes it away when they are in time again;
- ``replace``: with one engine replica and room for no other, one is deployed that replaces it: the gap of an upgrade in place;
- ``surge``: the same with ``upgrade: surge``, which starts the successor first.

Engines are vLLM with the tiny bench model, or with ``--fake`` made-up ones, whose replicas start at once: what is measured then is
everything but an engine's start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import record
from bench.fakes.profile import Profile
from bench.rolling.cluster import MODEL, NUM_CPUS, Cluster, model
from bench.rolling.load import Load, Shape
from bench.rolling.report import of_phase, ready_times

_SETTLED_S = 8.0
_MANY = 8
_SHORT_GRACE_S = 3.0
_LIMITS = {"min_replicas": 1, "max_replicas": 2, "upscale_delay_s": 1, "downscale_delay_s": 3}
_BY_LOAD = _LIMITS | {"target_ongoing_requests": 5}
_BY_TTFT = _LIMITS | {"target_ongoing_requests": 32, "target_ttft_ms": 250}


def shapes(*, fake: bool, long_s: float) -> tuple[Shape, Shape]:
    """A short request and a long stream. A real engine makes as many tokens as it can meanwhile."""
    if fake:
        short, long = Profile(ttft_us=20_000, step_us=10_000, tokens=4), Profile(20_000, 50_000, int(long_s / 0.05))
        return _shape("short", short.text, 4), _shape("long", long.text, long.tokens)
    return _shape("short", "Hello NUMBER", 4, max_tokens=4), _shape("long", "Go on NUMBER", 200, max_tokens=int(long_s * 15))


def slow_to_begin() -> Shape:
    """As the short one of fake engines, but its first token takes as long as if others were before it."""
    profile = Profile(ttft_us=400_000, step_us=10_000, tokens=4)
    return _shape("short", profile.text, profile.tokens)


def _shape(kind: str, text: str, events: int, **more: Any) -> Shape:
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}], "stream": True, "temperature": 0}
    return Shape(kind, body | more | ({"ignore_eos": True} if more else {}), events)


async def measure(
    cluster: Cluster,
    wanted: list[str],
    *,
    fake: bool,
    rate: float,
    streams: int,
    long_s: float,
    after_s: float = 40.0,
    start_s: float = 0.0,
) -> dict[str, Any]:
    """``after_s``: how long each change is watched after Serve says that it is done. ``start_s``: of a single fake engine."""
    headers = {
        "authorization": f"Bearer {cluster.endpoints['api_key']}",
        "x-ossature-admin-key": cluster.endpoints["admin_key"],
        "content-type": "application/json",
    }
    short, long = shapes(fake=fake, long_s=long_s)
    load = Load(cluster.endpoints["http"], headers, short, long, rate, streams)
    until = asyncio.Event()
    running = asyncio.create_task(load.run(until))
    phases = []
    try:
        await asyncio.sleep(_SETTLED_S)
        if "deploy" in wanted:
            phases.append(await cluster.phase("deploy", {"relay": {"max_buffered_bytes": 2 << 20}}, after_s))
        if "grace" in wanted:
            await cluster.deploy({"models": [model(fake=fake, replicas=2, grace_s=_SHORT_GRACE_S)]})
            await asyncio.sleep(_SETTLED_S)
            phases.append(await cluster.phase("longer than the grace", {"relay": {"max_buffered_bytes": 5 << 20}}, after_s))
        if "scale" in wanted:
            load.streams = _MANY
            await cluster.deploy({"models": [model(fake=fake, autoscaling=_BY_LOAD)]})
            await cluster.has_replicas(2)
            for name, streams_then, replicas in (("scale 2 to 1", 1, 1), ("scale 1 to 2", _MANY, 2)):
                load.streams = streams_then
                phases.append(await cluster.scaled(name, replicas, after_s))
            load.streams = streams
        if "ttft" in wanted:
            await cluster.deploy({"models": [model(fake=fake, autoscaling=_BY_TTFT)]})
            load.short = slow_to_begin()
            phases.append(await cluster.scaled("late first tokens, 1 to 2", 2, after_s))
            load.short = short
            phases.append(await cluster.scaled("first tokens in time, 2 to 1", 1, after_s))
        for upgrade, size in (("replace", 3 << 20), ("surge", 4 << 20)):
            if upgrade in wanted:
                # In place there is room for one, as on a single GPU: the successor starts when the last stream has ended.
                cpus = 0.6 * NUM_CPUS if upgrade == "replace" else 0.25
                await cluster.deploy({"models": [model(fake=fake, replicas=1, upgrade=upgrade, start_s=start_s, cpus=cpus)]})
                await asyncio.sleep(_SETTLED_S)
                phases.append(await cluster.phase(f"one replica, {upgrade}", {"relay": {"max_buffered_bytes": size}}, after_s))
    finally:
        until.set()
        await running
    ready_s = ready_times(cluster.session_logs())
    return {
        "rate": rate,
        "phases": [of_phase(phase, load.asked, ready_s) for phase in phases],
        "requests": len(load.asked),
        "failed": sum(one.failure is not None and not one.cut for one in load.asked),
        "cut": sum(one.cut for one in load.asked),
        "asked": [asdict(one) for one in load.asked],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rolling", description="Rolling changes under load.")
    parser.add_argument("--fake", action="store_true", help="fake engines")
    parser.add_argument("--phases", default="deploy,scale,replace,surge")
    parser.add_argument("--rate", type=float, default=20.0, help="short requests a second")
    parser.add_argument("--streams", type=int, default=4, help="long streams at a time")
    parser.add_argument("--long-s", type=float, default=30.0, help="about how long each lasts, in seconds")
    parser.add_argument("--after-s", type=float, default=40.0, help="how long to watch what follows a change, in seconds")
    parser.add_argument("--start-s", type=float, default=0.0, help="what a fake engine that is alone takes to start, in seconds")
    parser.add_argument("--json", type=Path, help="where to write everything (default: a new file in .bench/results)")
    options = parser.parse_args()
    result = record.circumstances() | {"kind": "rolling", "fake": options.fake}
    cluster = Cluster(fake=options.fake)
    try:
        wanted = options.phases.split(",")
        load = {"rate": options.rate, "streams": options.streams, "long_s": options.long_s, "after_s": options.after_s}
        load["start_s"] = options.start_s
        figures = asyncio.run(measure(cluster, wanted, fake=options.fake, **load))
    finally:
        cluster.stop(60.0)
    for phase in figures["phases"]:
        print(json.dumps(phase, indent=1))
    print(f"{figures['requests']} requests, {figures['failed']} failed, {figures['cut']} cut")
    record.save(result | figures, "rolling", options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
