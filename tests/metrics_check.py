"""Compares a scrape of a node with docs/metrics.md."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"

_OURS = re.compile(r"^### `(ossature_[a-z0-9_]+)`$", re.MULTILINE)
_THEIRS = re.compile(r"^\| `(vllm:[a-z0-9_]+)` \|", re.MULTILINE)
_FAMILY = re.compile(r"^# TYPE (\S+) \S+$", re.MULTILINE)


def _family(name: str) -> str:
    """The name without the suffix of counters, which text has and OpenMetrics has not."""
    return name.removesuffix("_total")


def families(scrape_text: str) -> set[str]:
    """Names of the metric families in a scrape, in either format."""
    return {_family(name) for name in _FAMILY.findall(scrape_text)}


def undocumented(scrape_text: str) -> set[str]:
    """Families of the scrape, ours and vLLM's, that docs/metrics.md does not list."""
    document = DOCUMENT.read_text("utf-8")
    return families(scrape_text) - {_family(name) for name in (*_OURS.findall(document), *_THEIRS.findall(document))}


def missing(scrape_text: str) -> set[str]:
    """Our metrics in docs/metrics.md that are not in the scrape of a node with a gateway and an engine that has answered."""
    present = families(scrape_text)
    return {name for name in _OURS.findall(DOCUMENT.read_text("utf-8")) if _family(name) not in present}
