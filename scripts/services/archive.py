"""Packages and sources of one Debian release, unpacked below a folder of ours: nothing is installed, whatever this machine runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.install import Failure

MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def require(*programs: str) -> None:
    """Raises:
    Failure: one of them is not on the path.
    """
    missing = [each for each in programs if shutil.which(each) is None]
    if missing:
        raise Failure(f"{', '.join(missing)} not found: this needs a Debian with apt")


@dataclass(frozen=True)
class Archive:
    """apt with lists, a cache and an (empty) record of installed packages of its own."""

    folder: Path
    release: str

    def update(self) -> None:
        """Fetch the lists of packages and sources. Their signatures are checked as apt always does."""
        for each in ("lists/partial", "cache/archives/partial", "sources"):
            (self.folder / each).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        lines = [f"{kind} {signed}{MIRROR} {self.release} main\n" for kind in ("deb", "deb-src")]
        (self.folder / "sources.list").write_text("".join(lines))
        self._apt("update")

    def download(self, *packages: str) -> list[Path]:
        """The packages' files and those of everything that they depend on."""
        archives = self.folder / "cache" / "archives"
        self._apt("install", "-y", "--no-install-recommends", "--download-only", *packages)
        return sorted(archives.glob("*.deb"))

    def source(self, package: str) -> list[Path]:
        """The files of a source package, as they are on the mirror."""
        folder = self.folder / "sources"
        self._apt("source", "--download-only", package, cwd=folder)
        return sorted(folder.glob(f"{package}_*"))

    def _apt(self, *arguments: str, cwd: Path | None = None) -> None:
        settings = {
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Cache::archives": self.folder / "cache" / "archives",
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            # apt's own account may not write to a folder of ours.
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            "APT::Get::List-Cleanup": "false",
        }
        options = [part for name, value in settings.items() if value != "" for part in ("-o", f"{name}={value}")]
        done = subprocess.run(["apt-get", "-q", *options, *arguments], cwd=cwd, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise Failure(
                f"apt-get {arguments[0]} for {self.release} failed (exit status {done.returncode}); its lines above say why"
            )


def unpack(packages: Sequence[Path], folder: Path) -> None:
    """Unpack packages over each other below ``folder``.

    Raises:
        Failure: one of them can't be unpacked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        done = subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=False)
        if done.returncode != 0:
            raise Failure(f"{package.name} can't be unpacked (exit status {done.returncode})")
