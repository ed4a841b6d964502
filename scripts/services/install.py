"""Find PostgreSQL's programs, or install Debian's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

DEBIAN_BINARIES = Path("/usr/lib/postgresql")
CREATECLUSTER = Path("/etc/postgresql-common/createcluster.conf")


class Failure(Exception):
    """Something that the reader of the message can mend."""


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def find_binaries() -> Path | None:
    """The folder of the newest PostgreSQL server here."""
    candidates = [path.parent for path in DEBIAN_BINARIES.glob("*/bin/initdb")]
    candidates.sort(key=lambda folder: float(folder.parent.name), reverse=True)
    if found := shutil.which("initdb"):
        candidates.append(Path(found).resolve().parent)
    return next((c for c in candidates if all((c / name).exists() for name in ("initdb", "postgres"))), None)


def install() -> Path:
    if shutil.which("apt-get") is None:
        raise Failure("PostgreSQL is missing and this system has no apt-get: install PostgreSQL 14 or newer, then try again")
    if os.geteuid() != 0:
        raise Failure("PostgreSQL is missing and only root may install it: sudo apt-get install postgresql")
    say("PostgreSQL is missing; installing Debian's package (about a minute)")
    apt("update")
    apt("install", "postgresql-common")
    # Debian's package would otherwise make and start a server of its own on port 5432.
    settings = CREATECLUSTER.read_text() if CREATECLUSTER.exists() else ""
    if not any(line.startswith("create_main_cluster") for line in settings.splitlines()):
        CREATECLUSTER.write_text(f"{settings}\ncreate_main_cluster = false\n")
    apt("install", "postgresql")
    folder = find_binaries()
    if folder is None:
        raise Failure(f"PostgreSQL was installed, but no initdb and postgres lie below {DEBIAN_BINARIES}")
    return folder


def apt(verb: str, *packages: str) -> None:
    options = ["-y", "--no-install-recommends"] if verb == "install" else []
    say(f"  apt-get {verb} {' '.join(packages)}".rstrip())
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # apt's own lines are the progress; they go to standard error, so that --json stays parsable.
    done = subprocess.run(["apt-get", verb, *options, *packages], env=environment, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise Failure(f"apt-get {verb} failed (exit status {done.returncode}); its last lines above say why")
