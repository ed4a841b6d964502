"""Charts as inline SVG: horizontal bars with intervals, differences around zero, and a curve.

Colours are classes that the page's style sheet gives a value, for light and for dark. Each chart has a title and a description,
and its figures stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Final

_WIDTH: Final = 720
_LEFT: Final = 170
_RIGHT: Final = 130
_ROW: Final = 44
_PLOT: Final = _WIDTH - _LEFT - _RIGHT
_LABEL_CHARS: Final = 22


@dataclass(frozen=True, slots=True)
class Bar:
    """``low`` and ``high``: of its interval, if it has one. ``shown``: the value as text."""

    label: str
    value: float
    shown: str
    kind: str
    low: float | None = None
    high: float | None = None


class Charts:
    """Those of one page: their ids differ."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def bars(self, title: str, description: str, bars: Sequence[Bar], largest: float, ticks: Sequence[tuple[float, str]]) -> str:
        """From zero to ``largest``, which must be above zero. ``ticks``: values on the scale with their texts."""
        bottom = _ROW * len(bars)

        def parts() -> Iterator[str]:
            for value, text in ticks:
                yield _tick(_x(value / largest), bottom, text)
            for row, bar in enumerate(bars):
                middle = _ROW * row + _ROW / 2
                yield _label(bar.label, middle)
                yield (
                    f'<rect class="{bar.kind}" x="{_LEFT}" y="{middle - 11:.1f}" width="{_PLOT * bar.value / largest:.1f}" '
                    f'height="22" rx="3"/>'
                )
                end = bar.value
                if bar.low is not None and bar.high is not None:
                    yield _whisker(_x(bar.low / largest), _x(bar.high / largest), middle)
                    end = max(end, bar.high)
                yield f'<text class="value" x="{_x(end / largest) + 10:.1f}" y="{middle + 4:.1f}">{escape(bar.shown)}</text>'

        return self._chart(title, description, bottom + 26, parts())

    def differences(self, title: str, description: str, bars: Sequence[Bar], unit: str) -> str:
        """Points with intervals to both sides of zero. ``unit``: that of the ticks."""
        reach = max(max(abs(bar.low or 0.0), abs(bar.high or 0.0), abs(bar.value)) for bar in bars) or 1.0
        bottom = _ROW * len(bars)

        def place(value: float) -> float:
            return _x((value / reach + 1) / 2)

        def parts() -> Iterator[str]:
            for value in (-reach, 0.0, reach):
                yield _tick(place(value), bottom, f"{value:+.1f} {unit}" if value else f"0 {unit}", strong=not value)
            for row, bar in enumerate(bars):
                middle = _ROW * row + _ROW / 2
                yield _label(bar.label, middle)
                if bar.low is not None and bar.high is not None:
                    yield _whisker(place(bar.low), place(bar.high), middle)
                yield f'<circle class="{bar.kind}" cx="{place(bar.value):.1f}" cy="{middle:.1f}" r="6"/>'
                yield f'<text class="value" x="{_WIDTH - _RIGHT + 10}" y="{middle + 4:.1f}">{escape(bar.shown)}</text>'

        return self._chart(title, description, bottom + 26, parts())

    def curve(self, title: str, description: str, points: Sequence[Sequence[float]], across: str) -> str:
        """``points``: ``(x, y)`` by ascending ``x``, at least two."""
        height, top = 200.0, 12.0
        first, last = points[0][0], points[-1][0]
        values = [point[1] for point in points]
        lowest, highest = min(0.0, *values), max(values)
        span = (highest - lowest) or 1.0

        def y(value: float) -> float:
            return top + height * (1 - (value - lowest) / span)

        def parts() -> Iterator[str]:
            for value in (lowest, lowest + span / 2, lowest + span):
                yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
                yield f'<text class="label" text-anchor="end" x="{_LEFT - 10}" y="{y(value) + 4:.1f}">{value:.3g}</text>'
            path = " ".join(f"{_x((x - first) / ((last - first) or 1)):.1f},{y(value):.1f}" for x, value in points)
            yield f'<polyline class="line" points="{path}"/>'
            for x, anchor in ((first, "start"), (last, "end")):
                place = _x((x - first) / ((last - first) or 1))
                where = f'text-anchor="{anchor}" x="{place:.1f}" y="{height + top + 20:.1f}"'
                yield f'<text class="label" {where}>{across} {x:g}</text>'

        return self._chart(title, description, height + top + 28, parts())

    def _chart(self, title: str, description: str, height: float, parts: Iterator[str]) -> str:
        number = next(self._numbers)
        return "\n".join(
            [
                f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-labelledby="title-{number} description-{number}">',
                f'<title id="title-{number}">{escape(title)}</title>',
                f'<desc id="description-{number}">{escape(description)}</desc>',
                *parts,
                "</svg>",
            ]
        )


def _x(share: float) -> float:
    return _LEFT + _PLOT * share


def _label(text: str, middle: float) -> str:
    cut = text if len(text) <= _LABEL_CHARS else f"{text[: _LABEL_CHARS - 1]}…"
    return f'<text class="label" text-anchor="end" x="{_LEFT - 10}" y="{middle + 4:.1f}">{escape(cut)}</text>'


def _tick(x: float, bottom: float, text: str, *, strong: bool = False) -> str:
    return (
        f'<line class="{"axis" if strong else "grid"}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'
        f'<text class="label" text-anchor="middle" x="{x:.1f}" y="{bottom + 18}">{escape(text)}</text>'
    )


def _whisker(low: float, high: float, middle: float) -> str:
    caps = "".join(f"M{x:.1f} {middle - 6:.1f}v12" for x in (low, high))
    return f'<path class="whisker" d="M{low:.1f} {middle:.1f}H{high:.1f}{caps}"/>'
