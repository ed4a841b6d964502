"""From rounds to one table: added times, medians, and how far this cluster is from the best peer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.arithmetic import Better, best, median, ratio

Figures = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Column:
    """``better`` says which way is good; ``base``: the figure that the bare worker's is taken off of, round by round."""

    key: str
    title: str
    better: Better
    digits: int
    base: str | None = None


COLUMNS = (
    Column("router_us_per_token", "router µs/token", "lower", 1),
    Column("path_us_per_token", "with worker's side", "lower", 1),
    Column("tokens_per_s", "tokens/s", "higher", 0),
    Column("added_p50_ms_alone", "+p50 ms at 1", "lower", 2, "ttft_p50_ms_alone"),
    Column("added_p99_ms_alone", "+p99 ms at 1", "lower", 2, "ttft_p99_ms_alone"),
    Column("added_p50_ms_crowd", "+p50 ms at 32", "lower", 2, "ttft_p50_ms_crowd"),
    Column("added_p99_ms_crowd", "+p99 ms at 32", "lower", 2, "ttft_p99_ms_crowd"),
    Column("requests_per_core_s_small", "req/core-s 600 B", "higher", 0),
    Column("requests_per_core_s_large", "req/core-s 600 KB", "higher", 0),
)


@dataclass(slots=True)
class Row:
    """One row over all rounds. ``unavailable``: why there are no figures."""

    name: str
    title: str
    peer: bool
    version: str = ""
    unavailable: str | None = None
    rounds: list[Figures] = field(default_factory=list)


def medians(row: Row, bare: Row | None) -> dict[str, float | None]:
    """The row's figures. Added times are differences to the bare worker in the same round, then the median of these."""
    keys = dict.fromkeys(key for figures in row.rounds for key in figures)
    values = {key: median(figures.get(key) for figures in row.rounds) for key in keys}
    for column in COLUMNS:
        if column.base is not None:
            values[column.key] = None if bare is None or row.name == bare.name else median(_added(row, bare, column.base))
    return values


def _added(row: Row, bare: Row, key: str) -> list[float | None]:
    pairs = [(mine.get(key), theirs.get(key)) for mine, theirs in zip(row.rounds, bare.rounds, strict=False)]
    return [None if mine is None or theirs is None else mine - theirs for mine, theirs in pairs]


def ratios(rows: Sequence[Row], values: Mapping[str, Figures]) -> dict[str, dict[str, float | str | None]]:
    """For every figure: the best peer, its value, and every other row's ratio to it."""
    table: dict[str, dict[str, float | str | None]] = {}
    for column in COLUMNS:
        found = best({row.name: values[row.name].get(column.key) for row in rows if row.peer and row.name in values}, column.better)
        if found is not None:
            name, value = found
            of_rows = {row.name: ratio(values[row.name].get(column.key), value) for row in rows if row.name in values}
            table[column.key] = {"best_peer": name, "best_value": value, **of_rows}
    return table


def render(rows: Sequence[Row], values: Mapping[str, Figures], to_best: Mapping[str, Mapping[str, float | str | None]]) -> str:
    """The table in Markdown; in brackets the ratio to the best peer."""
    shown = [column for column in COLUMNS if any(figures.get(column.key) is not None for figures in values.values())] or COLUMNS[:1]
    lines = ["| | version | " + " | ".join(column.title for column in shown) + " |", "|---|---|" + "---:|" * len(shown)]
    for row in rows:
        if row.unavailable is not None:
            lines.append(f"| {row.title} | {row.version} | not measured: {row.unavailable} |" + " |" * (len(shown) - 1))
            continue
        cells = [_cell(column, row, values[row.name], to_best.get(column.key, {})) for column in shown]
        lines.append(f"| {row.title} | {row.version} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(column: Column, row: Row, figures: Figures, to_best: Mapping[str, float | str | None]) -> str:
    value = figures.get(column.key)
    if value is None:
        return "-"
    share = to_best.get(row.name)
    text = f"{value:,.{column.digits}f}"
    return f"{text} ({share:.2f}x)" if isinstance(share, float) and row.name != to_best.get("best_peer") else text
