"""A plot of reports as SVG: time to first token and hits against the oracle, one group of bars for each policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from cluster.replay.report import Report

_WIDTH, _BAR, _GAP, _LEFT, _TOP = 760, 14, 10, 150, 40
_SERIES: tuple[tuple[str, str, Callable[[Report], float], str], ...] = (
    ("TTFT p50", "#4c78a8", lambda report: report.ttft_p50_ms, "ms"),
    ("TTFT p90", "#9ecae9", lambda report: report.ttft_p90_ms, "ms"),
    ("hit tokens of the oracle's", "#54a24b", lambda report: report.of_oracle * 100.0, "%"),
)


def svg(title: str, reports: Sequence[Report]) -> str:
    """The whole document. Bars of one unit share a scale."""
    group = len(_SERIES) * _BAR + _GAP
    height = _TOP + len(reports) * group + 30
    largest = {
        unit: max(value(report) for report in reports for _, _, value, other in _SERIES if other == unit) or 1.0
        for _, _, _, unit in _SERIES
    }
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="20" font-size="14">{escape(title)}</text>',
    ]
    for number, report in enumerate(reports):
        top = _TOP + number * group
        parts.append(f'<text x="{_LEFT - 8}" y="{top + group / 2}" text-anchor="end">{escape(report.policy)}</text>')
        for place, (_, colour, value, unit) in enumerate(_SERIES):
            width = (_WIDTH - _LEFT - 90) * value(report) / largest[unit]
            y = top + place * _BAR
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" fill="{colour}"/>')
            parts.append(f'<text x="{_LEFT + width + 4:.1f}" y="{y + _BAR - 4}">{value(report):,.0f} {unit}</text>')
    for place, (name, colour, _, _) in enumerate(_SERIES):
        x = _LEFT + place * 170
        parts.append(f'<rect x="{x}" y="{height - 20}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="{height - 11}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
