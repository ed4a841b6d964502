from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cluster.telemetry import catalog
from tests import metrics_check

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "metrics_reference.py"


def test_document_is_up_to_date() -> None:
    result = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_every_metric_of_the_catalog_is_documented() -> None:
    scrape = "".join(f"# TYPE {metric.name} {metric.kind}\n" for metric in catalog.ALL)
    assert metrics_check.undocumented(scrape) == set()
    assert metrics_check.missing(scrape) == set()


def test_a_family_that_is_not_documented_is_found() -> None:
    scrape = "# TYPE ossature_requests_total counter\n# TYPE ossature_made_up gauge\n# TYPE vllm:num_requests_running gauge\n"
    assert metrics_check.undocumented(scrape) == {"ossature_made_up"}


def test_a_metric_that_is_not_scraped_is_found() -> None:
    scrape = "".join(
        f"# TYPE {metric.name} {metric.kind}\n" for metric in catalog.ALL if metric is not catalog.routing.CROSS_ORG_HITS
    )
    assert metrics_check.missing(scrape) == {"ossature_cross_org_hits_total"}


def test_both_formats_are_understood() -> None:
    assert metrics_check.undocumented("# TYPE vllm:prompt_tokens counter\n# TYPE vllm:request_success_total counter\n") == set()
