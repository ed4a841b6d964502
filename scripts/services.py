#!/usr/bin/env python3
"""Start and stop what the tests need beside the cluster itself: PostgreSQL on loopback, Prometheus, voices, bubblewrap.

Standard library only.

    python scripts/services.py start|stop|status|speech|sandbox|prometheus [--json] [--port N]

``.services/services.json`` tells where it runs and with which password. The server has its own data folder and its own port, and
touches no other PostgreSQL of this machine. ``stop`` ends only the process that ``start`` made, and keeps the data.
``speech`` installs the packages of the default voices (flite, espeak-ng), ``sandbox`` that of Python graders (bubblewrap),
``prometheus`` unpacks Prometheus and promtool; they start nothing. ``start`` does all of that.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services import prometheus, sandbox, speech
from services.install import Failure, find_binaries, install, say
from services.postgres import DEFAULT_PORT, Postgres, account, data_folder, discard, forget_dead, free_port, initialize, launch

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".services"
STATE_FILE = FOLDER / "services.json"
STOP_TIMEOUT_S = 30.0


def read_state() -> Postgres | None:
    try:
        state = json.loads(STATE_FILE.read_text())["postgres"]
        state.pop("url")
        return Postgres(**state)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{STATE_FILE} is not what this script wrote ({error}); remove it and start again") from error


def write_state(server: Postgres) -> None:
    content = {"postgres": asdict(server) | {"url": server.url}}
    descriptor, temporary = tempfile.mkstemp(dir=FOLDER)  # mode 0600: it holds the password
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
    Path(temporary).replace(STATE_FILE)


@contextmanager
def exclusive() -> Iterator[None]:
    """One start or stop at a time; a second one waits."""
    FOLDER.mkdir(exist_ok=True)
    # Servers must not inherit this descriptor, or they would keep the lock; Python opens it non-inheritable.
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start(port: int | None) -> Postgres:
    known = read_state()
    if known is not None and known.running:
        if port not in (None, known.port):
            raise Failure(f"PostgreSQL runs on port {known.port} already; stop it first")
        return known
    binaries = find_binaries() or install()
    chosen_port = free_port(port)
    user = account()
    data = data_folder(FOLDER, user)
    password = known.password if known is not None else secrets.token_hex(24)
    if known is None or not (data / "PG_VERSION").exists():
        # Without the state file nobody knows the password of an older folder.
        discard(data)
        data = data_folder(FOLDER, user)
        initialize(binaries, data, password, user)
    else:
        forget_dead(data, known.pid)
    server = launch(binaries, data, FOLDER / "postgres.log", chosen_port, password, user)
    write_state(server)
    say(f"PostgreSQL runs on {server.host}:{server.port} (pid {server.pid}), data in {server.data}")
    return server


def stop() -> None:
    server = read_state()
    if server is None or not server.running:
        say("PostgreSQL does not run")
        return
    # SIGINT: disconnect clients and shut down in order; SIGQUIT: at once, the next start recovers.
    for number in (signal.SIGINT, signal.SIGQUIT):
        os.kill(server.pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while server.running and time.monotonic() < deadline:
            time.sleep(0.05)
        if not server.running:
            say(f"stopped PostgreSQL (pid {server.pid})")
            return
    raise Failure(f"PostgreSQL (pid {server.pid}) does not end")


def describe(server: Postgres | None) -> dict[str, Any]:
    if server is None or not server.running:
        return {"postgres": {"running": False}}
    return {"postgres": {"running": True, "url": server.url, "port": server.port, "pid": server.pid, "data": server.data}}


def main() -> int:
    parser = argparse.ArgumentParser(
        description="What development and tests need: PostgreSQL on loopback, Prometheus, voices, bubblewrap."
    )
    parser.add_argument("verb", choices=["start", "stop", "status", "speech", "sandbox", "prometheus"])
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    parser.add_argument("--port", type=int, help=f"TCP port; default: the first free one from {DEFAULT_PORT}")
    options = parser.parse_args()
    try:
        with exclusive():
            if options.verb in ("start", "speech"):
                speech.ensure()
            if options.verb in ("start", "sandbox"):
                sandbox.ensure()
            if options.verb in ("start", "prometheus"):
                prometheus.ensure(FOLDER / "prometheus")
            if options.verb in ("speech", "sandbox", "prometheus"):
                return 0
            if options.verb == "start":
                start(options.port)
            elif options.verb == "stop":
                stop()
            outcome = describe(read_state())
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(outcome))
    elif options.verb == "status" or outcome["postgres"]["running"]:
        print("\n".join(f"{name}: {value}" for name, value in outcome["postgres"].items() if name != "url"))
    return 3 if options.verb == "status" and not outcome["postgres"]["running"] else 0


if __name__ == "__main__":
    sys.exit(main())
