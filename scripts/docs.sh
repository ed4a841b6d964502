#!/usr/bin/env bash
# Regenerates the reference pages from the code.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python scripts/metrics_reference.py
.venv/bin/python scripts/configuration_reference.py
.venv/bin/python scripts/helm_schema.py
.venv/bin/python scripts/monitoring.py
