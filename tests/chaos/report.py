"""The table of docs/faults.md, from the figures that the cases have written: ``python -m tests.chaos.report [FILE]``.

Each case's row is the median of its runs; cases that the file doesn't have keep the rows that they have.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.programs import ROOT
from tests.chaos.figures import FIGURES

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
HEAD = (
    "| Fault | Requests | Lost | Answered when sent again | Cut, told | Cut, silent | Requests flow after | Slowest first byte "
    "| Replaced after | Data lost | What the operator sees | Runs |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|\n"
)


def row(runs: list[dict[str, Any]]) -> str:
    """One line of the table."""
    last = runs[-1]

    def median(name: str) -> float:
        return statistics.median(run[name] for run in runs if run[name] is not None)

    def seconds(name: str) -> str:
        known = [run[name] for run in runs if run[name] is not None]
        return f"{statistics.median(known):.1f} s" if known else "-"

    counts = [f"{median(name):g}" for name in ("requests", "lost", "retried", "cut_said", "cut_silent")]
    times = [seconds("outage_s"), seconds("slowest_first_byte_s"), seconds("whole_s")]
    data = f"{median('unrecorded'):g}"
    return " | ".join([f"| {last['fault']}", *counts, *times, data, last["sees"] or "-", f"{len(runs)} |"])


def table(lines: list[str], former: str) -> str:
    """The whole table: of ``lines`` of JSON, and of the rows in ``former`` for other faults."""
    cases: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        figures = json.loads(line)
        cases[figures["fault"]].append(figures)
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in former.splitlines()[2:] if line.startswith("| ")}
    rows |= {fault: row(runs) for fault, runs in cases.items()}
    return HEAD + "".join(f"{line}\n" for line in rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.report", description="Write the table of docs/faults.md.")
    parser.add_argument("figures", type=Path, nargs="?", default=FIGURES, help="lines of JSON (default: %(default)s)")
    options = parser.parse_args()
    before, rest = PAGE.read_text().split(f"{BEGIN}\n")
    former, after = rest.split(END)
    made = table(options.figures.read_text().splitlines(), former)
    PAGE.write_text(f"{before}{BEGIN}\n{made}{END}{after}")


if __name__ == "__main__":
    main()
