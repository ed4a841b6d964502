"""Processor time of a gateway for each request and each token, without Ray: ``python -m bench.gateway [--rounds N] [--json FILE]``.

The gateway (``bench/gateway/server.py``) runs in a process of its own, in front of a fake replica in another. Its processor time
is read to the nanosecond, less what it uses when idle. A request's cost is that of answers of one token; a token's is what 64
streams of 100 tokens, one every 10 ms, cost beyond that. What Ray Serve adds (ingress and handle) is in ``bench.live``.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import uvloop

from bench import record
from bench.fakes.profile import Profile
from bench.fakes.worker import MODEL
from bench.live.phases import ALONE, LARGE, SMALL, STREAMS, MeasurementFailed, Phase, bodies
from bench.load import Outcome, Target, closed_loop
from bench.programs import FOLDER, Program, Unavailable, answers, free_ports

_START_S = 60.0
_IDLE_S = 1.0
_DURATION_S = 3.0


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, of all its threads, in seconds to the nanosecond."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total_ns += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:  # the thread has just ended
            continue
    return total_ns / 1e9


class Gateway:
    """The two programs, started."""

    def __init__(self, profile: Path | None) -> None:
        folder = FOLDER / "run" / "gateway"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        port, replica_port = free_ports(2)
        key = f"sk-{secrets.token_hex(24)}"
        module = [sys.executable, "-m"]
        where = ["--port", str(port), "--replica-port", str(replica_port), "--folder", str(folder), "--key", key]
        if profile is not None:
            where += ["--profile", str(profile.resolve())]
        metrics = folder / "metrics"
        metrics.mkdir()
        environment = {"PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        self._server = Program("gateway", [*module, "bench.gateway.server", *where], environment)
        self._replica = Program("gateway-replica", [*module, "bench.gateway.fake_replica", "--port", str(replica_port)])
        url = f"http://127.0.0.1:{port}"
        try:
            self._server.wait_until(lambda: answers(f"{url}/healthz"), _START_S)
        except Unavailable:
            self._replica.stop(2.0)
            raise
        self.pid = self._server.pid
        self.target = Target(url, {"authorization": f"Bearer {key}"})

    def stop(self) -> None:
        self._replica.stop(2.0)
        self._server.stop(5.0)

    def idle_share(self) -> float:
        """Processor seconds a second with nothing to do."""
        before = cpu_s(self.pid)
        time.sleep(_IDLE_S)
        return (cpu_s(self.pid) - before) / _IDLE_S

    def measure(self, phase: Phase, idle_share: float) -> tuple[Outcome, float]:
        """What came back, and the gateway's processor seconds for it."""
        body = bodies(phase, MODEL)
        began: list[float] = []

        async def run() -> Outcome:
            return await closed_loop(
                self.target,
                body,
                in_flight=phase.in_flight,
                duration_s=phase.duration_s,
                warm_up=body(0),
                on_start=lambda: began.append(cpu_s(self.pid)),
            )

        outcome = uvloop.run(run())
        used_s = cpu_s(self.pid) - began[0] - idle_share * outcome.wall_s
        if outcome.failures:
            raise MeasurementFailed(f"{phase.name}: {outcome.failures[0]}")
        return outcome, used_s


def one_round(gateway: Gateway, duration_s: float) -> dict[str, float]:
    idle_share = gateway.idle_share()
    figures: dict[str, float] = {}
    for name, phase in (("600 B", SMALL), ("600 KB", LARGE)):
        outcome, used_s = gateway.measure(replace(phase, duration_s=duration_s), idle_share)
        figures[f"us/request of {name}"] = used_s / len(outcome.samples) * 1e6
    outcome, used_s = gateway.measure(replace(STREAMS, duration_s=duration_s), idle_share)
    figures["us/token, requests included"] = used_s / outcome.tokens * 1e6
    short = Phase("streams of one token", Profile(ttft_us=10_000, step_us=10_000, tokens=1), in_flight=64)
    one, one_s = gateway.measure(replace(short, duration_s=duration_s / 2), idle_share)
    of_requests_s = one_s / len(one.samples) * len(outcome.samples)
    figures["us/token"] = (used_s - of_requests_s) / (outcome.tokens - len(outcome.samples)) * 1e6
    outcome, _ = gateway.measure(replace(ALONE, duration_s=duration_s / 2), idle_share)
    figures["ms to the first byte at 1 in flight"] = statistics.median(sample.ttft_s for sample in outcome.samples) * 1e3
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration-s", type=float, default=_DURATION_S, help="of each measurement")
    parser.add_argument("--json", type=Path, help="where to write everything (default: a new file in .bench/results)")
    parser.add_argument("--profile", type=Path, help="profile the gateway, slower then, and write cProfile's figures there")
    options = parser.parse_args()
    result = record.circumstances() | {"kind": "gateway"}
    gateway = Gateway(options.profile)
    try:
        rounds = [one_round(gateway, options.duration_s) for _ in range(options.rounds)]
    finally:
        gateway.stop()
    medians = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
    for name, value in medians.items():
        print(f"{name:<40}{value:>10.1f}")
    record.save(result | {"medians": medians, "rounds": rounds}, "gateway", options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
