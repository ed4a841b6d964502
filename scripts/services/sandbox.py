"""bubblewrap, which holds Python graders, from Debian's package."""

from __future__ import annotations

import os
import shutil

from services.install import Failure, apt, say

PACKAGE = "bubblewrap"
PROGRAM = "bwrap"


def ensure() -> None:
    """Install it where it is missing.

    Raises:
        Failure: it can't be installed; the message names the package.
    """
    if shutil.which(PROGRAM) is not None:
        return
    command = f"apt-get install {PACKAGE}"
    if shutil.which("apt-get") is None:
        raise Failure(f"graders in Python need {PACKAGE}, and this system has no apt-get: install it otherwise")
    if os.geteuid() != 0:
        raise Failure(f"graders in Python need {PACKAGE}, which only root may install: sudo {command}")
    say(f"installing {PACKAGE}")
    apt("update")
    apt("install", PACKAGE)
    if shutil.which(PROGRAM) is None:
        raise Failure(f"{PACKAGE} was installed, but {PROGRAM} can't be found")
