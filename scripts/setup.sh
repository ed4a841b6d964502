#!/usr/bin/env bash
# Makes the Python environment in .venv from the hash-locked requirements; does nothing when it is up to date.
# usage: scripts/setup.sh [--compat] [--s3] [--tuning] [--audit]
#   --compat: also the environments that hold other clients, and Helm, for the tests
#   --s3: also the one with the S3 driver of files, and a server to test it with
#   --tuning: add to .venv what training needs (the extra `tuning`)
#   --audit: also the one that asks for known vulnerabilities and checks bills of materials
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3.11 python3 python; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "setup: Python 3.11 is needed and was not found. Install it, or name it: make setup PYTHON=/path/to/python3.11" >&2
    exit 1
fi

torch_cpu_index=https://download.pytorch.org/whl/cpu

stamp_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# uv installs 200 packages in seconds where pip takes minutes; it does not read pip's own settings, so hand them over.
uv_options() {
    local links
    links=$("$1/bin/python" -m pip config get global.find-links 2>/dev/null || true)
    for link in $links ${PIP_FIND_LINKS:-}; do printf -- '--find-links\n%s\n' "$link"; done
}

make_environment() { # folder
    if [ ! -x "$1/bin/python" ]; then
        rm -rf "$1"
        "$python" -m venv "$1"
    fi
    "$1/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.lock
}

install_locked() { # folder lock
    local options
    mapfile -t options < <(uv_options "$1")
    "$1/bin/uv" pip install --python "$1/bin/python" --no-deps --require-hashes "${options[@]}" -r "$2"
}

# The CPU build is not on the general package index: first where pip is set up to look, then PyTorch's own index.
install_torch() { # folder
    local locked
    locked=$(mktemp)
    # torch's own entry of the lock: its line and the hashes below it.
    awk '/^[^ #]/ { wanted = /^torch==/ } wanted' requirements/cpu.lock >"$locked"
    local install=("$1/bin/python" -m pip install --disable-pip-version-check --no-deps --require-hashes -r "$locked")
    "${install[@]}" || "${install[@]}" --index-url "$torch_cpu_index" || { rm -f "$locked"; return 1; }
    rm -f "$locked"
}

main_environment() {
    local stamp
    stamp=$(stamp_of requirements/cpu.lock requirements/silero.lock requirements/uv.lock pyproject.toml scripts/setup.sh)
    if [ "$(cat .venv/.ossature-stamp 2>/dev/null)" = "$stamp" ]; then return; fi
    echo "setup [1/4] environment in .venv"
    make_environment .venv
    echo "setup [2/4] PyTorch for CPU"
    install_torch .venv
    echo "setup [3/4] $(grep -c '==' requirements/cpu.lock) locked packages"
    install_locked .venv requirements/cpu.lock
    install_locked .venv requirements/silero.lock
    echo "setup [4/4] ossature itself"
    .venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
    echo "$stamp" >.venv/.ossature-stamp
}

client_environment() { # name description
    local folder=.venv-$1 lock=requirements/$1.lock stamp
    stamp=$(stamp_of "$lock" requirements/uv.lock scripts/setup.sh)
    if [ "$(cat "$folder/.ossature-stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
    echo "setup: environment with $2 for the tests"
    make_environment "$folder"
    install_locked "$folder" "$lock"
    echo "$stamp" >"$folder/.ossature-stamp"
}

s3_environment() {
    local folder=.venv-s3 stamp
    stamp=$(stamp_of requirements/s3.lock requirements/uv.lock scripts/setup.sh)
    if [ "$(cat $folder/.ossature-stamp 2>/dev/null)" = "$stamp" ]; then return; fi
    echo "setup: environment with s3fs and a server that plays S3"
    make_environment $folder
    install_locked $folder requirements/s3.lock
    $folder/bin/uv pip install -q --python $folder/bin/python --no-deps -e .
    echo "$stamp" >$folder/.ossature-stamp
}

# Into the same environment: it takes the engine's torch and transformers.
tuning_packages() {
    local stamp
    stamp=$(stamp_of requirements/tuning.lock requirements/cpu.lock)
    if [ "$(cat .venv/.ossature-tuning-stamp 2>/dev/null)" = "$stamp" ]; then return; fi
    echo "setup: packages for training"
    install_locked .venv requirements/tuning.lock
    echo "$stamp" >.venv/.ossature-tuning-stamp
}

main_environment
for wanted in "$@"; do
    case "$wanted" in
        --compat)
            client_environment openai-1.51 "openai 1.51"
            client_environment openai-agents "openai-agents"
            client_environment kubernetes "Helm and Kubernetes' schemas"
            ;;
        --s3) s3_environment ;;
        --audit) client_environment audit "pip-audit and CycloneDX's schemas" ;;
        --tuning) tuning_packages ;;
    esac
done
