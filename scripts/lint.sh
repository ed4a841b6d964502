#!/usr/bin/env bash
# ruff, buf, and the generated files against their sources.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/ruff check .
.venv/bin/ruff format --check -q .
.venv/bin/python scripts/generate_protos.py --check
.venv/bin/python scripts/buf_lint.py
.venv/bin/python scripts/metrics_reference.py --check
.venv/bin/python scripts/configuration_reference.py --check
.venv/bin/python scripts/helm_schema.py --check
.venv/bin/python scripts/monitoring.py --check
