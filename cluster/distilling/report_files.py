"""The report's files, side by side in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.distilling.markdown import markdown
from cluster.distilling.page import page
from cluster.distilling.state import write_whole


def write_report(folder: Path, report: Mapping[str, Any]) -> list[Path]:
    """``report.md``, ``report.json``, ``report.html``. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.md": markdown(report),
        "report.json": json.dumps(report, indent=2, ensure_ascii=False) + "\n",
        "report.html": page(report),
    }
    for name, content in contents.items():
        write_whole(folder / name, content.encode())
    return [folder / name for name in contents]
