"""Prometheus and promtool, which check dashboards and alerts, from Debian's package.

The package is unpacked below ``.services`` and not installed: Debian's would start a server of its own on port 9090, on every
address. Both programs are single files that need nothing else of the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from services.install import Failure, apt, say

PACKAGE = "prometheus"
PROGRAMS = ("prometheus", "promtool")


def ensure(folder: Path) -> None:
    """Unpack the package below ``folder``, unless both programs are there or on the path.

    Raises:
        Failure: it can't be had; the message says why.
    """
    if all((folder / name).exists() for name in PROGRAMS) or all(shutil.which(name) for name in PROGRAMS):
        return
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Failure(f"checks of dashboards and alerts need {' and '.join(PROGRAMS)}, and this is no Debian: put them on the path")
    say(f"unpacking Debian's {PACKAGE} below {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        package = _download(Path(scratch))
        unpacked = Path(scratch) / "package"
        done = subprocess.run(["dpkg-deb", "-x", str(package), str(unpacked)], check=False)
        if done.returncode != 0:
            raise Failure(f"{package.name} can't be unpacked (exit status {done.returncode})")
        for name in PROGRAMS:
            shutil.move(unpacked / "usr" / "bin" / name, folder / name)


def _download(folder: Path) -> Path:
    """The package's file. Lists of packages that are missing or old are fetched anew, where that is allowed."""
    if not _fetched(folder) and os.geteuid() == 0:
        apt("update")
        _fetched(folder)
    found = list(folder.glob(f"{PACKAGE}_*.deb"))
    if not found:
        raise Failure(f"apt-get download {PACKAGE} failed; its lines above say why")
    return found[0]


def _fetched(folder: Path) -> bool:
    # apt's own account may not write to a folder of ours, so that it downloads as whoever calls, and says so: no failure.
    return subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, stdout=sys.stderr, check=False).returncode == 0
