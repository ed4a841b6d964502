"""What a dashboard consists of, without a word of Grafana's format."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Grafana's grid is this wide.
GRID_COLUMNS = 24


class Unit(StrEnum):
    """Grafana's names of units (``grafana_foundation_sdk.models.units``)."""

    NUMBER = "short"
    SHARE = "percentunit"
    SECONDS = "s"
    BYTES = "bytes"
    MEBIBYTES = "mbytes"
    BYTES_PER_S = "Bps"
    REQUESTS_PER_S = "reqps"
    EVENTS_PER_S = "cps"
    TOKENS_PER_S = "suffix: tok/s"
    PERCENT = "percent"
    CELSIUS = "celsius"
    WATTS = "watt"


class Look(StrEnum):
    """Grafana's panel types that we use."""

    GRAPH = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"
    HEATMAP = "heatmap"
    TABLE = "table"


class Color(StrEnum):
    GOOD = "green"
    NOTICE = "yellow"
    BAD = "red"


@dataclass(frozen=True, slots=True)
class Query:
    """``expression``: PromQL without the dashboard's variables, which are put into each selector when it is written.

    ``legend``: Grafana's format, ``{{label}}`` for a label's value; in tables the column's name.
    """

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """From ``value`` on (in the panel's unit) the panel takes the color."""

    value: float
    color: Color


def worse_above(notice: float, bad: float) -> tuple[Step, ...]:
    return (Step(notice, Color.NOTICE), Step(bad, Color.BAD))


@dataclass(frozen=True, slots=True)
class Panel:
    """``width``: of the grid's 24 columns; ``height``: rows of 30 pixels.

    ``steps``: colors of values; below the first one the color is ``base``. ``needs``: what a cluster must have for the panel to
    show anything, empty where every cluster has it.
    """

    title: str
    meaning: str
    queries: tuple[Query, ...]
    unit: Unit
    look: Look = Look.GRAPH
    width: int = 8
    height: int = 8
    base: Color = Color.GOOD
    steps: tuple[Step, ...] = ()
    stacked: bool = False
    maximum: float | None = None
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below a heading, placed from left to right."""

    title: str
    panels: tuple[Panel, ...]


class Variable(StrEnum):
    """What a reader may choose beside the data source and the cluster's namespace."""

    MODEL = "model"
    ORGANIZATION = "org"


@dataclass(frozen=True, slots=True)
class Board:
    uid: str
    title: str
    purpose: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = (Variable.MODEL,)

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)


def number(
    title: str,
    meaning: str,
    expression: str,
    unit: Unit,
    *,
    steps: tuple[Step, ...] = (),
    base: Color = Color.GOOD,
    width: int = 4,
    needs: str = "",
) -> Panel:
    """One value, large, with its course behind it."""
    return Panel(
        title, meaning, (Query(expression),), unit, Look.NUMBER, width=width, height=4, base=base, steps=steps, needs=needs
    )


def quantiles(histogram: str, *shares: float, by: tuple[str, ...] = ()) -> tuple[Query, ...]:
    """``histogram``: its name without ``_bucket``, with matchers if any; one query for each share (0.5: the median)."""
    name, brace, matchers = histogram.partition("{")
    labels = ", ".join(("le", *by))
    prefix = "".join(f"{{{{{label}}}}} " for label in by)
    return tuple(
        Query(
            f"histogram_quantile({share:g}, sum by ({labels}) (rate({name}_bucket{brace}{matchers}[$__rate_interval])))",
            f"{prefix}p{share * 100:g}",
        )
        for share in shares
    )


def rates(counter: str, *by: str, legend: str | None = None) -> Query:
    """Increase for each second, summed over everything but ``by``."""
    shown = " ".join(f"{{{{{label}}}}}" for label in by) if legend is None else legend
    if not by:
        return Query(f"sum(rate({counter}[$__rate_interval]))", shown)
    return Query(f"sum by ({', '.join(by)}) (rate({counter}[$__rate_interval]))", shown)


def share(part: str, whole: str, *by: str, legend: str | None = None) -> Query:
    """One counter's rate as a share of another's."""
    inside = f" by ({', '.join(by)})" if by else ""
    shown = " ".join(f"{{{{{label}}}}}" for label in by) if legend is None else legend
    return Query(f"sum{inside} (rate({part}[$__rate_interval])) / sum{inside} (rate({whole}[$__rate_interval]))", shown)
