"""The programs and libraries of the default voices, from Debian's packages: flite, and espeak-ng, which stands in for it."""

from __future__ import annotations

import ctypes
import os
import shutil

from services.install import Failure, apt, say

FLITE = "libflite1"
ESPEAK = "espeak-ng"


def missing() -> list[str]:
    """Packages of which nothing is found here."""
    packages = []
    try:
        ctypes.CDLL("libflite.so.1")
    except OSError:
        packages.append(FLITE)
    if shutil.which(ESPEAK) is None:
        packages.append(ESPEAK)
    return packages


def ensure() -> None:
    """Install what is missing.

    Raises:
        Failure: it can't be installed; the message names the packages.
    """
    packages = missing()
    if not packages:
        return
    command = f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise Failure(f"the default voices need {' and '.join(packages)}, and this system has no apt-get: install them otherwise")
    if os.geteuid() != 0:
        raise Failure(f"the default voices need packages that only root may install: sudo {command}")
    say(f"installing the default voices: {' '.join(packages)}")
    apt("update")
    apt("install", *packages)
    if still := missing():
        raise Failure(f"{' and '.join(still)} were installed, but can't be found")
