"""The peers' programs, each in an environment of its own under ``.bench``: ``python -m bench.peers`` installs them.

Versions are the newest that resolved when they were pinned; ``--upgrade`` takes the newest there is and says which.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.programs import FOLDER, ROOT, Unavailable

_UV = ROOT / ".venv" / "bin" / "uv"


@dataclass(frozen=True, slots=True)
class Peer:
    """``distribution``: its name on the package index; ``requirement``: what to ask for, without the version."""

    distribution: str
    version: str
    extra: str = ""

    @property
    def folder(self) -> Path:
        return FOLDER / "venvs" / self.distribution

    def requirement(self, *, newest: bool) -> str:
        return f"{self.distribution}{self.extra}" + ("" if newest else f"=={self.version}")

    def program(self, name: str) -> str:
        """Path of one of its commands. Raises ``Unavailable``."""
        path = self.folder / "bin" / name
        if not path.exists():
            raise Unavailable(f"{self.distribution} is not installed (python -m bench.peers)")
        return str(path)

    def installed_version(self) -> str | None:
        found = sorted((self.folder / "lib").glob(f"python*/site-packages/{self.distribution.replace('-', '_')}-*.dist-info"))
        return found[0].name.rpartition(".dist-info")[0].rpartition("-")[2] if found else None


SGLANG_ROUTER = Peer("sglang-router", "0.3.2")
SMG = Peer("smg", "1.13.0")
VLLM_ROUTER = Peer("vllm-router", "0.1.17")
LITELLM = Peer("litellm", "1.106.2", "[proxy]")
PEERS = (SGLANG_ROUTER, SMG, VLLM_ROUTER, LITELLM)


def install(peer: Peer, *, newest: bool = False) -> str:
    """Make the peer's environment unless it is there; returns the version. Raises ``Unavailable`` with the installer's reason."""
    present = peer.installed_version()
    if present == peer.version and not newest:
        return present
    python = peer.folder / "bin" / "python"
    if not python.exists():
        peer.folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(peer.folder)], check=True)
    # uv where the project's own environment has it: pip takes minutes for the larger ones.
    installer = [str(_UV), "pip"] if _UV.exists() else [str(python), "-m", "pip"]
    where = ["--python", str(python)] if _UV.exists() else []
    done = subprocess.run(
        [*installer, "install", "-q", *where, *(["--upgrade"] if newest else []), peer.requirement(newest=newest)],
        capture_output=True,
        text=True,
        check=False,
    )
    version = peer.installed_version()
    if done.returncode != 0 or version is None:
        raise Unavailable(f"{peer.requirement(newest=newest)} can't be installed: {' '.join(done.stderr.split())[-400:]}")
    return version


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Install what `make bench` compares with.")
    parser.add_argument("--only", action="append", choices=[peer.distribution for peer in PEERS], help="this one (repeatable)")
    parser.add_argument("--upgrade", action="store_true", help="the newest version that resolves instead of the pinned one")
    options = parser.parse_args()
    failed = 0
    for peer in PEERS:
        if options.only and peer.distribution not in options.only:
            continue
        try:
            print(f"{peer.distribution} {install(peer, newest=options.upgrade)}", flush=True)
        except Unavailable as reason:
            failed += 1
            print(reason, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
