"""A Redis for Ray's control service, on loopback and in a folder of its own. Debian's package is installed if it is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.programs import ROOT, free_ports

sys.path.insert(0, str(ROOT / "scripts"))  # as the script that starts the services has it
from services.install import apt

PROGRAM = "redis-server"
ANSWERS_WITHIN_S = 30.0


@contextmanager
def server(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """``host:port`` of a Redis that keeps everything in memory. ``host``: its address, of this namespace."""
    if shutil.which(PROGRAM) is None:
        apt("update")
        apt("install", PROGRAM)
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    options = [
        "--bind",
        host,
        "--protected-mode",
        "no",
        "--port",
        str(port),
        "--dir",
        str(folder),
        "--save",
        "",
        "--logfile",
        "redis.log",
    ]
    process = subprocess.Popen([PROGRAM, *options])
    try:
        deadline = time.monotonic() + ANSWERS_WITHIN_S
        ping = ["redis-cli", "-h", host, "-p", str(port), "ping"]
        while subprocess.run(ping, capture_output=True, text=True, check=False).stdout.strip() != "PONG":
            assert process.poll() is None, (folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.1)
        yield f"{host}:{port}"
    finally:
        process.terminate()
        process.wait()
