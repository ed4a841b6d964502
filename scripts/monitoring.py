"""Writes dashboards, rules and pictures from ``deploy/monitoring``. ``--check``: fail if a file is not up to date.

deploy/grafana and deploy/prometheus hold what Grafana and Prometheus read. The chart has copies of the dashboards, and the rules
with words in place of what a release decides.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deploy.monitoring import boards, document, grafana, picture, prometheus  # noqa: E402

GRAFANA = ROOT / "deploy" / "grafana"
PROMETHEUS = ROOT / "deploy" / "prometheus"
CHART = ROOT / "deploy" / "helm" / "ossature" / "files"
PICTURES = ROOT / "docs" / "images" / "dashboards"
DOCUMENT = ROOT / "docs" / "dashboards.md"


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file and its content."""
    for board in boards.ALL:
        text = grafana.as_json(board)
        yield GRAFANA / f"{board.uid}.json", text
        yield CHART / "dashboards" / f"{board.uid}.json", text
        yield PICTURES / f"{board.uid}.svg", picture.svg(text)
    for name in prometheus.FILES:
        yield PROMETHEUS / f"{name}.yaml", prometheus.as_yaml(name)
        yield CHART / "rules" / f"{name}.yaml", prometheus.as_yaml(name, prometheus.CHART)
    yield DOCUMENT, document.render()


def left_over(expected: set[Path]) -> Iterator[Path]:
    """Files of former dashboards and rules in folders that hold nothing else."""
    for folder, ending in ((GRAFANA, "json"), (CHART / "dashboards", "json"), (CHART / "rules", "yaml"), (PICTURES, "svg")):
        yield from (path for path in sorted(folder.glob(f"*.{ending}")) if path not in expected)
    yield from (path for path in sorted(PROMETHEUS.glob("*.yaml")) if path not in expected)


def main() -> int:
    check = "--check" in sys.argv[1:]
    wanted = dict(files())
    wrong = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    old = list(left_over(set(wanted)))
    if check:
        for path in (*wrong, *old):
            print(f"{path.relative_to(ROOT)} is not up to date: python scripts/monitoring.py", file=sys.stderr)
        return 1 if wrong or old else 0
    for path in old:
        path.unlink()
    for path in wrong:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
