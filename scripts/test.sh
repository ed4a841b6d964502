#!/usr/bin/env bash
# Runs the test stages in order and stops at the first that fails. usage: scripts/test.sh fast|all
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:?fast or all}
export OMP_NUM_THREADS=1
started=$SECONDS

stage() { # name command…
    local name=$1 begin=$SECONDS
    shift
    echo "== $name"
    "$@"
    echo "== $name: done in $((SECONDS - begin)) s"
}

stage "environment" scripts/setup.sh "$([ "$mode" = all ] && echo --compat)"
stage "lint" scripts/lint.sh
stage "types" .venv/bin/mypy
if [ "$mode" = fast ]; then
    stage "unit tests" .venv/bin/python -m pytest -q -m "not integration and not engine and not e2e and not chaos"
else
    stage "models" bash -c '.venv/bin/python -m models.demo.expand && .venv/bin/python -m models.bench.make'
    trap '.venv/bin/python scripts/services.py stop >/dev/null' EXIT
    stage "services" .venv/bin/python scripts/services.py start
    # One run, so that its closing line counts every test.
    stage "tests" .venv/bin/python -m pytest -q --durations=25
fi
echo "== all stages passed in $((SECONDS - started)) s"
