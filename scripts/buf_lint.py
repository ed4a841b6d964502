"""Checks ``protos/`` with buf, which is installed from npm at a fixed version into ``.services/buf/`` on first use.

Needs ``npm`` for that first use only. Exits with buf's own code: 0 when the protos are clean, 100 when they are not.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF_VERSION = "1.75.0"
FOLDER = ROOT / ".services" / "buf"
BINARY = FOLDER / "node_modules" / ".bin" / "buf"


def installed_version() -> str | None:
    """Version of the buf below ``FOLDER``, or None if there is none that runs."""
    if not BINARY.exists():
        return None
    answer = subprocess.run([str(BINARY), "--version"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


def install() -> None:
    """Install the pinned buf. Raises ``RuntimeError`` where npm is missing or fails."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is needed to install buf, and is not on the PATH")
    FOLDER.mkdir(parents=True, exist_ok=True)
    print(f"installing buf {BUF_VERSION} into {FOLDER.relative_to(ROOT)} …")
    command = [npm, "install", "--prefix", str(FOLDER), "--no-save", "--loglevel=error", f"@bufbuild/buf@{BUF_VERSION}"]
    if subprocess.run(command, check=False).returncode != 0:
        raise RuntimeError("npm could not install buf")


def main() -> int:
    if installed_version() != BUF_VERSION:
        try:
            install()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
    return subprocess.run([str(BINARY), "lint", "protos"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
