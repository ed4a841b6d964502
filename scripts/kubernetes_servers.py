#!/usr/bin/env python3
"""Build the API servers that `make test-kubernetes` installs the chart on; does nothing when they are there.

    python scripts/kubernetes_servers.py [etcd|full|definitions|all] [--folder FOLDER] [--jobs N] [--keep]

Standard library only. Each server takes some minutes, once. Programs come to ``FOLDER/bin``.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from pathlib import Path

from services.install import Failure
from services.kubernetes import Servers

ROOT = Path(__file__).resolve().parent.parent
#: Shared with the tests: tests/kubernetes/servers.py.
FOLDER = Path(os.environ.get("OSSATURE_KUBERNETES_SERVERS", ROOT / ".services" / "kubernetes"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Build Kubernetes' API servers from Debian's sources.")
    parser.add_argument("what", nargs="?", default="all", choices=["etcd", "full", "definitions", "all"])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers side by side")
    parser.add_argument("--keep", action="store_true", help="keep sources and what was compiled (5 GB)")
    options = parser.parse_args()
    servers = Servers(options.folder.resolve(), options.jobs)
    servers.folder.mkdir(parents=True, exist_ok=True)
    try:
        with (servers.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            servers.ensure_store()
            if options.what in ("full", "all"):
                servers.ensure_full()
            if options.what in ("definitions", "all"):
                servers.ensure_definitions()
        if options.what == "all" and not options.keep:
            servers.forget_sources()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
