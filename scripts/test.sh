#!/usr/bin/env bash
# Runs the test stages in order and stops at the first that fails. usage: scripts/test.sh fast|all
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:?fast or all}
export OMP_NUM_THREADS=1
started=$SECONDS

# Unit tests of a file stay together, so that its fixtures are made once. More than four processes would take more memory than time.
cores=$(nproc)
spread=(-n $((cores < 4 ? cores : 4)) --dist loadfile)

stage() { # name command…
    local name=$1 begin=$SECONDS
    shift
    echo "== $name"
    "$@"
    echo "== $name: done in $((SECONDS - begin)) s"
}

counted=$(mktemp)
tests() { # argument…
    .venv/bin/python -m pytest -q "$@" | tee -a "$counted"
}

total() { # all closing lines of pytest as one
    awk '/^[0-9]+ (passed|skipped).* in / { for (i = 2; i <= NF; i++) { sub(",", "", $i); sum[$i] += $(i - 1) } }
         END { printf "%d tests passed, %d skipped", sum["passed"], sum["skipped"] }' "$counted"
    rm -f "$counted"
}

unaudited=""
advisories() {
    local status=0
    .venv/bin/python scripts/supply_chain advisories || status=$?
    if [ "$status" = 3 ]; then unaudited="; known vulnerabilities NOT AUDITED"; return 0; fi
    return "$status"
}

stage "environment" scripts/setup.sh $([ "$mode" = all ] && echo --compat --s3 --tuning --audit)
stage "lint" scripts/lint.sh
stage "types" .venv/bin/mypy
if [ "$mode" = fast ]; then
    # Processor seconds that a test without the mark `slow` may use: tests/budget.py.
    export TEST_BUDGET_S=${TEST_BUDGET_S:-3}
    # Many of them wait rather than compute, and none takes much memory.
    stage "unit tests" tests -n 4 --dist loadfile -m "not slow and not integration and not engine and not e2e and not chaos"
else
    stage "unit tests" tests "${spread[@]}" --durations=15 tests/unit
    stage "licences" .venv/bin/python scripts/supply_chain licences
    stage "bill of materials" .venv/bin/python scripts/supply_chain sbom
    # Without a way to the advisory service it says that nothing was audited, here and at the end.
    stage "known vulnerabilities" advisories
    stage "models" bash -c '.venv/bin/python -m models.demo.expand && .venv/bin/python -m models.bench.make'
    trap '.venv/bin/python scripts/services.py stop >/dev/null' EXIT
    stage "services" .venv/bin/python scripts/services.py start
    # One after the other: these measure, and share a cluster.
    stage "integration and end-to-end tests" tests --durations=25 -m "not kubernetes and not tuning" tests/integration tests/e2e
fi
echo "== all stages passed in $((SECONDS - started)) s: $(total)$unaudited"
