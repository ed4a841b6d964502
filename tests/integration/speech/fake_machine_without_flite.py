"""Flite's worker on a machine where the library can't be found."""

from __future__ import annotations

import ctypes
from typing import Any

from cluster.speech.flite import worker


class _NoLibrary(ctypes.CDLL):
    def __init__(self, name: str, **options: Any) -> None:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")


if __name__ == "__main__":
    ctypes.CDLL = _NoLibrary  # type: ignore[misc,assignment]
    worker.main()
