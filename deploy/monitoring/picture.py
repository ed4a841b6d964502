"""Draws the layout of a dashboard from its JSON: where each panel stands, what it is called, its kind, unit and thresholds.

It shows no values: a glyph stands for each kind of panel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

COLUMN = 44
"""Pixels of a column of Grafana's grid of 24."""
UNIT = 19
"""Pixels of a row of the grid."""
_HEAD = 64
_GAP = 4
_WIDTH = 24 * COLUMN + 2 * _GAP
_PAPER, _PANEL, _EDGE, _INK, _QUIET, _GLYPH = "#f4f5f5", "#ffffff", "#d5d8de", "#24292e", "#5f6b7a", "#c3cbd8"
_COLORS = {"green": "#3d9a50", "yellow": "#d9a400", "red": "#d0342c"}
_UNITS = {
    "short": "number",
    "percentunit": "share",
    "s": "seconds",
    "bytes": "bytes",
    "mbytes": "MiB",
    "Bps": "bytes/s",
    "reqps": "requests/s",
    "cps": "events/s",
    "suffix: tok/s": "tokens/s",
    "percent": "percent",
    "celsius": "°C",
    "watt": "watts",
}
_CHARACTER = 0.54
"""Mean width of a character as a share of the font's size."""
_WIDE_CHARACTER = 0.62
"""The same where a word has to fit and no mean helps."""


def svg(dashboard_json: str) -> str:
    """The picture as a file's content."""
    board = json.loads(dashboard_json)
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    height = _HEAD + rows * UNIT + _GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" role="img">',
        f"<title>{escape(board['title'])}: layout</title>",
        _box(0, 0, _WIDTH, height, _PAPER, _PAPER),
        _text(10, 26, board["title"], 17, _INK, bold=True),
        *_variables(board),
    ]
    for panel in board["panels"]:
        lines += _row(panel) if panel["type"] == "row" else _panel(panel)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _variables(board: dict[str, Any]) -> Iterator[str]:
    x = 10.0
    for variable in board["templating"]["list"]:
        name = variable.get("label") or variable["name"]
        width = len(name) * 12 * _WIDE_CHARACTER + 20
        yield _box(x, 36, width, 20, _PANEL, _EDGE)
        yield _text(x + 10, 50, name, 12, _QUIET)
        x += width + 6
    for link in board["links"]:
        yield _text(_WIDTH - 170, 50, f"link: {link['title']} dashboards", 11, _QUIET)


def _row(panel: dict[str, Any]) -> list[str]:
    y = _HEAD + panel["gridPos"]["y"] * UNIT
    return [_text(10, y + 15, f"▾ {panel['title']}", 13, _INK, bold=True)]


def _panel(panel: dict[str, Any]) -> Iterator[str]:
    place = panel["gridPos"]
    x, y = _GAP + place["x"] * COLUMN + 2, _HEAD + place["y"] * UNIT + 2
    width, height = place["w"] * COLUMN - 4, place["h"] * UNIT - 4
    defaults = panel["fieldConfig"]["defaults"]
    unit = _UNITS[defaults["unit"]]
    yield _box(x, y, width, height, _PANEL, _EDGE)
    yield _text(x + 8, y + 16, _shortened(panel["title"], width - 16, 12), 12, _INK, bold=True)
    small = height < 100
    text_lines = list(_wrapped(panel["description"].replace("`", ""), width - 16, 9.5))
    if len(text_lines) > (most := 2 if small else 4):
        text_lines = [*text_lines[: most - 1], f"{text_lines[most - 1]} …"]
    for number, line in enumerate(text_lines):
        yield _text(x + 8, y + 30 + 12 * number, line, 9.5, _QUIET)
    top = y + 34 + 12 * len(text_lines)
    bottom = y + height - 18
    yield from _glyph(panel["type"], x + 10, top, width - 20, bottom - top)
    yield _text(x + 8, y + height - 6, unit, 9.5, _QUIET)
    yield from _steps(defaults["thresholds"]["steps"], x + width - 8, y + height - 6)


def _steps(steps: list[dict[str, Any]], right: float, y: float) -> Iterator[str]:
    """Thresholds, from right to left."""
    if len(steps) < 2:
        return
    for step in reversed(steps):
        label = "below" if step["value"] is None else f"{step['value']:g}"
        right -= len(label) * 9.5 * _CHARACTER
        yield _text(right, y, label, 9.5, _QUIET)
        right -= 10
        yield f'<circle cx="{right + 4:.1f}" cy="{y - 3:.1f}" r="3.5" fill="{_COLORS[step["color"]]}"/>'
        right -= 8


def _glyph(kind: str, x: float, y: float, width: float, height: float) -> Iterator[str]:
    if height < 12:
        return
    if kind == "stat":
        yield _line([(x + width * share, y + height * (0.9 - rise)) for share, rise in _WAVE])
    elif kind == "timeseries":
        yield _line([(x, y), (x, y + height), (x + width, y + height)])
        yield _line([(x + width * share, y + height * (0.8 - rise)) for share, rise in _WAVE])
        yield _line([(x + width * share, y + height * (0.95 - rise / 2)) for share, rise in _WAVE])
    elif kind == "bargauge":
        for number, share in enumerate((0.9, 0.6, 0.35)):
            yield _box(x, y + number * height / 3 + 2, width * share, height / 3 - 4, _GLYPH, _GLYPH)
    elif kind == "heatmap":
        for column in range(16):
            for line in range(5):
                opacity = 0.15 + 0.8 * ((column * 7 + line * 5) % 9 / 9) * (1 - abs(line - 2) / 3)
                yield (
                    f'<rect x="{x + column * width / 16:.1f}" y="{y + line * height / 5:.1f}" width="{width / 16 - 1:.1f}" '
                    f'height="{height / 5 - 1:.1f}" fill="#8fa3c4" fill-opacity="{opacity:.2f}"/>'
                )
    elif kind == "table":
        for line in range(int(height // 16) + 1):
            yield _line([(x, y + line * 16), (x + width, y + line * 16)])
    else:
        raise ValueError(f"no glyph for panels of type {kind}")


_WAVE = ((0.0, 0.1), (0.15, 0.25), (0.3, 0.15), (0.45, 0.4), (0.6, 0.3), (0.8, 0.55), (1.0, 0.35))


def _line(points: list[tuple[float, float]]) -> str:
    return (
        f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="{_GLYPH}" stroke-width="1.5"/>'
    )


def _box(x: float, y: float, width: float, height: float, fill: str, edge: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3" fill="{fill}" stroke="{edge}"/>'


def _text(x: float, y: float, text: str, size: float, color: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{color}"{weight}>{escape(text)}</text>'


def _shortened(text: str, width: float, size: float) -> str:
    most = int(width / (size * _CHARACTER * 1.05))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _wrapped(text: str, width: float, size: float) -> Iterator[str]:
    most = int(width / (size * _CHARACTER))
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > most:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line
