"""Rows started once, measured in turns, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import uvloop

from bench.live.phases import MeasurementFailed, Phase, figures, measure
from bench.live.stack import FRONT_END, Fleet, Running, Stack
from bench.live.table import Figures, Row, medians, ratios, render
from bench.programs import Program, Unavailable, answers, free_ports

_WORKERS = 2
_WORKER_START_S = 30.0
#: After the last row is up: what starts late (reloads, first health checks) is over by then.
_SETTLE_S = 3.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def start_fake_workers(count: int = _WORKERS) -> Fleet:
    """One process that is ``count`` workers. Raises ``Unavailable``."""
    ports = free_ports(count)
    command = [sys.executable, "-m", "bench.fakes.worker"]
    program = Program("fake-worker", command + [argument for port in ports for argument in ("--port", str(port))])
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    program.wait_until(lambda: all(answers(f"{url}/health") for url in urls), _WORKER_START_S)
    return Fleet(program, urls, lambda _: FRONT_END)


def compare(
    stacks: Sequence[Stack], fleet: Fleet, phases: Sequence[Phase], rounds: int, between: Callable[[], None] = lambda: None
) -> list[Row]:
    """Start the rows, measure them in turns, end them. A row that fails is kept, with the reason instead of figures.

    ``between`` is called between two rounds. An interrupt ends the measurement after the rounds that are whole.
    """
    rows = {stack.name: Row(stack.name, stack.title, stack.peer) for stack in stacks}
    running: dict[str, Running] = {}
    try:
        for stack in stacks:
            began_s = time.monotonic()
            try:
                running[stack.name] = started = _start(stack, fleet)
            except Unavailable as reason:
                rows[stack.name].unavailable = str(reason)
                say(f"{stack.name}: {reason}")
                continue
            rows[stack.name].version = started.version
            say(f"{stack.name}: up after {time.monotonic() - began_s:.1f} s")
        time.sleep(_SETTLE_S)
        for number in range(1, rounds + 1):
            if number > 1:
                between()
            turn: dict[str, Figures] = {}
            for name in list(running):
                try:
                    turn[name] = one_round(running[name], phases)
                except MeasurementFailed as reason:
                    rows[name].unavailable = str(reason)
                    say(f"{name}: {reason}")
                    running.pop(name).stop()
            for name, measured in turn.items():
                rows[name].rounds.append(measured)
            say(f"round {number} of {rounds} done")
    except KeyboardInterrupt:
        say("interrupted: what follows is of the rounds that were done")
    finally:
        for started in running.values():
            started.stop()
    return list(rows.values())


def _start(stack: Stack, fleet: Fleet) -> Running:
    """Start a row; once more if it fails, since Ray's own time limits are short for a machine that is busy."""
    try:
        return stack.start(fleet)
    except Unavailable as reason:
        say(f"{stack.name}: once more, since {reason}")
        return stack.start(fleet)


def one_round(running: Running, phases: Sequence[Phase]) -> dict[str, float | None]:
    """All phases of one row, once."""
    result: dict[str, float | None] = {}
    for phase in phases:
        result |= figures(phase, uvloop.run(measure(running, phase)))
    return result


def report(rows: Sequence[Row]) -> tuple[str, dict[str, Any]]:
    """The table, and everything behind it for a file. Added times are against the first row."""
    base = rows[0]
    values = {row.name: medians(row, base) for row in rows if row.unavailable is None}
    to_best = ratios(rows, values)
    details = {
        row.name: {
            "title": row.title,
            "version": row.version,
            "peer": row.peer,
            "unavailable": row.unavailable,
            "medians": values.get(row.name),
            "rounds": row.rounds,
        }
        for row in rows
    }
    return render(rows, values, to_best), {"rows": details, "ratios_to_best_peer": to_best}
