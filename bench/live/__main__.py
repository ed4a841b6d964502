"""Compare the ways to an engine, side by side: ``python -m bench.live [--engine vllm] [--only NAME …] [--rounds N] [--json FILE]``.

All rows are started first and measured in turns, round by round, so that whatever else the machine does meets them alike.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import record
from bench.exclusive import Exclusive
from bench.live import vllm
from bench.live.ossature import OSSATURE, RELAYS, Kind
from bench.live.phases import FAKE_ENGINE_PHASES, REAL_ENGINE_PHASES, SCRIPTED_PHASES, Phase, shortened
from bench.live.ray_serve import RAY_SERVE
from bench.live.routers import ROUTERS, BareWorker
from bench.live.run import compare, report, say, start_fake_workers
from bench.live.stack import Stack
from bench.programs import Unavailable


def fake_engine_rows() -> list[Stack]:
    return [BareWorker(), *OSSATURE, *ROUTERS, *RAY_SERVE]


def vllm_rows(entry: Mapping[str, Any], engine: Kind) -> list[Stack]:
    model = entry["id"]
    behind = [vllm.Behind(router, model) for router in vllm.RUST_ROUTERS]
    ossature = [vllm.Ossature(entry, relay, engine=engine) for relay in RELAYS]
    return [vllm.ApiServer(model), *behind, *ossature, vllm.Ossature(entry, direct=True, engine=engine)]


def chosen(rows: Sequence[Stack], only: Sequence[str] | None) -> list[Stack]:
    """The rows asked for, and the first always: it is what added times are measured against. Raises ``ValueError``."""
    if not only:
        return list(rows)
    unknown = set(only) - {row.name for row in rows}
    if unknown:
        raise ValueError(f"no row is named {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in rows)}")
    return [row for number, row in enumerate(rows) if number == 0 or row.name in only]


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description="Compare the ways to an engine, side by side.")
    parser.add_argument(
        "--engine", choices=("fake", "scripted", "vllm"), default="fake", help="what makes the tokens (default: %(default)s)"
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="this row (repeatable); a wrong name lists them")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take medians of (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load: a look, not a measurement")
    parser.add_argument("--json", type=Path, help="where to write everything (default: a new file in .bench/results)")
    parser.add_argument("--lock", type=Path, help="lock file to hold, where several measurements share a machine")
    parser.add_argument("--lock-s", type=float, default=300.0, help="give it away between rounds after so many seconds")
    options = parser.parse_args(argv)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")

    # Asked to end, it tells what it has got so far.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Exclusive(options.lock, options.lock_s) as exclusive:
            result = run(options, exclusive)
    except ValueError as error:
        parser.error(str(error))
    except Unavailable as reason:
        say(str(reason))
        return 1
    path = record.save(result, f"live-{options.engine}", options.json)
    print(result["table"], flush=True)
    say(f"everything is in {path}")
    return 0


def run(options: argparse.Namespace, exclusive: Exclusive) -> dict[str, Any]:
    """The whole measurement. Raises ``ValueError`` for a row that there is none of, ``Unavailable`` when there are no workers."""
    result = record.circumstances() | {"kind": f"live-{options.engine}", "rounds": options.rounds, "quick": options.quick}
    phases: Sequence[Phase]
    if options.engine == "fake":
        rows, phases = chosen(fake_engine_rows(), options.only), FAKE_ENGINE_PHASES
        fleet = start_fake_workers()
    elif options.engine == "scripted":
        model = vllm.scripted()
        rows, phases = chosen(vllm_rows(model, "scripted"), options.only), SCRIPTED_PHASES
        fleet = vllm.start_api_server(vllm.scripted_arguments(model))
    else:
        model = vllm.recipe()
        rows, phases = chosen(vllm_rows(model, "real"), options.only), REAL_ENGINE_PHASES
        fleet = vllm.start_api_server(model)
    if options.quick:
        phases = [shortened(phase, 0.1) for phase in phases]
    try:
        table, details = report(compare(rows, fleet, phases, options.rounds, exclusive.pause))
    finally:
        fleet.program.stop()
    return result | details | {"table": table}


if __name__ == "__main__":
    sys.exit(main())
