"""Writes docs/metrics.md from the catalog of our metrics and from vLLM's source. ``--check``: fail if the file is not up to date.

vLLM's names are read out of the installed package without importing it: every string literal that is a metric name, with type and
help where the literal stands in the call that makes the metric.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cluster.telemetry import build, catalog, labels  # noqa: E402

TARGET = ROOT / "docs" / "metrics.md"
VLLM_NAME = re.compile(r"vllm:[a-z0-9_]+")
# Literals of this form that are no metrics: beginnings of names.
NOT_METRICS = frozenset({"vllm:diffusion", "vllm:spec_decode"})

HEAD = """\
<!-- Made by scripts/metrics_reference.py; edit cluster/telemetry/catalog, then run `python scripts/metrics_reference.py`. -->

# Metrics

Each node of the cluster has one endpoint, `http://<metrics.host>:<metrics.port>/metrics` (by default
`127.0.0.1:9464`), that answers for all processes there: gateways, engine replicas, and vLLM's own metrics inside
them. Text and OpenMetrics are both spoken; `/healthz` says whether the endpoint can read the node's metrics folder.
Prometheus needs one target a node:

```yaml
scrape_configs:
  - job_name: ossature
    static_configs:
      - targets: ["127.0.0.1:9464"]
```

## What to know before querying

- **Counters and histograms never go backward while the cluster runs.** What an ended process has counted is kept in
  an archive of the node and stays in the sums. A restart of the whole cluster starts them at zero. A node that leaves
  takes its counts with it.
- **Gauges are the state of living processes.** Those of a process that has ended vanish with the next scrape.
- **Sum over nodes.** All series are a node's own; Prometheus adds `instance`. Exception: `ossature_replicas_ready` is
  the cluster's number as each node sees it; take `min` or `max`.
- **vLLM's gauges have a label `replica`**: a small number for each engine process of the node, given out again when
  its process ends. vLLM labels its metrics with `model_name` and `engine` (the data-parallel rank) only, so that two
  replicas of a model on a node would overwrite each other. Its counters and histograms carry no `replica`: they are
  sums over the node's replicas of the model.
- **Time series are bounded.** Models, edges, codes and reasons come from closed sets; anything else is counted as
  `unknown` or `other`. The first `metrics.max_organizations` organizations of a node have a label of their own, over
  all of its processes together; later ones are `other`.
- **Cached tokens come twice**: `cached` is the engine's exact count, `shown_cached` what clients see (0 under 1,024
  prompt tokens, else rounded down to 128).
"""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A metric of vLLM as its source tells; ``kind`` and ``help`` are empty where the source does not say it in one place."""

    name: str
    kind: str = ""
    help: str = ""


def vllm_metrics() -> dict[str, Foreign]:
    """vLLM's metrics by name. Raises ``ModuleNotFoundError`` where vLLM is not installed."""
    spec = importlib.util.find_spec("vllm")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("vllm is not installed; its metrics can't be listed")
    found: dict[str, Foreign] = {}
    for folder in spec.submodule_search_locations:
        for path in sorted(Path(folder).rglob("*.py")):
            source = path.read_bytes()
            if b'"vllm:' in source:
                for metric in _metrics_in(ast.parse(source)):
                    known = found.get(metric.name)
                    if known is None or (bool(metric.kind), bool(metric.help)) > (bool(known.kind), bool(known.help)):
                        found[metric.name] = metric
    # A counter's literal goes without the suffix that its series have.
    return {name: metric for name, metric in sorted(found.items()) if f"{name}_total" not in found}


def _metrics_in(tree: ast.Module) -> Iterator[Foreign]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and _is_name(node.value):
            yield Foreign(node.value)
        elif isinstance(node, ast.Call):
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            arguments = dict(enumerate(node.args))
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            kind = next((kind for kind in ("counter", "gauge", "histogram") if kind in function.lower()), "")
            yield from _named(keywords.get("name", arguments.get(0)), keywords.get("documentation", arguments.get(1)), kind)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            yield from _named(node.elts[0], node.elts[1])


def _named(name: ast.expr | None, text: ast.expr | None, kind: str = "") -> Iterator[Foreign]:
    """A metric, if ``name`` is the literal name of one; ``text`` is its help, if it is a literal."""
    if isinstance(name, ast.Constant) and _is_name(name.value):
        help_text = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
        suffix = "_total" if kind == "counter" and not name.value.endswith("_total") else ""
        yield Foreign(name.value + suffix, kind, " ".join(help_text.split()))


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and VLLM_NAME.fullmatch(value) is not None and value not in NOT_METRICS


def render() -> str:
    """The whole document."""
    return "\n".join([HEAD, *_labels(), *_ours(), *_theirs()]) + "\n"


def _labels() -> Iterator[str]:
    yield "## Labels\n\n| Label | Values |\n|---|---|"
    yield from (f"| `{name}` | {meaning} |" for name, meaning in labels.MEANINGS.items())
    yield ""


def _ours() -> Iterator[str]:
    yield "## Metrics of the cluster\n"
    for metric in catalog.ALL:
        yield f"### `{metric.name}`\n"
        facts = [
            f"**{metric.kind}**",
            f"unit: {metric.unit or 'none'}",
            f"labels: {', '.join(f'`{label}`' for label in metric.labels) or 'none'}",
            f"written by: {metric.source}",
            "from the start" if metric.at_start else "from the first request",
        ]
        yield " · ".join(facts) + "\n"
        yield f"{metric.meaning}\n"
        if metric.buckets:
            yield f"Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}.\n"
        yield f"```promql\n{metric.example}\n```\n"


def _theirs() -> Iterator[str]:
    metrics = vllm_metrics().values()
    yield f"## Metrics of vLLM {build.versions()['vllm']}\n"
    yield (
        "Read from vLLM's source; which of them exist depends on the engine's settings (speculative decoding, KV connectors,\n"
        "LoRA, …). Type and help are vLLM's own, empty where its source does not say them beside the name; then a counter\n"
        "stands here without its `_total`. Gauges carry `replica` as said above.\n"
    )
    yield "| Name | Type | vLLM's help |\n|---|---|---|"
    for metric in metrics:
        help_text = metric.help.replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{metric.name}` | {metric.kind} | {help_text} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the file is not up to date")
    check = parser.parse_args().check
    text = render()
    current = TARGET.read_text("utf-8") if TARGET.exists() else ""
    if text == current:
        return 0
    if check:
        print(f"{TARGET.relative_to(ROOT)} is not up to date: run python scripts/metrics_reference.py", file=sys.stderr)
        return 1
    TARGET.write_text(text, "utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
