"""Does the sandbox of graders in Python hold here? Its own probe attacks each boundary from inside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.config.settings.evals import EvalsSettings
from cluster.evals.sandbox.contract import SandboxUnavailable
from cluster.runtime.doctor.finding import Finding, Reporter


class SandboxProbe(Reporter):
    name: ClassVar[str] = "sandbox"

    def __init__(self, config: ClusterConfig, probe: Callable[[EvalsSettings], Awaitable[None]] | None = None) -> None:
        self._settings = config.evals
        self._probe = probe or probe_here

    async def findings(self) -> Sequence[Finding]:
        subject = "graders in Python"
        if not self._settings.python_graders:
            return [self.ok(subject, "switched off")]
        try:
            await self._probe(self._settings)
        except SandboxUnavailable as error:
            step = "Install bubblewrap and allow unprivileged user namespaces, or set evals.python_graders: false."
            return [self.warning(subject, f"they are refused here: {error}", step)]
        return [self.ok(subject, "the sandbox withstands its own attacks")]


async def probe_here(settings: EvalsSettings) -> None:
    """Takes about two seconds. Raises :class:`SandboxUnavailable`."""
    from cluster.evals.building import sandbox_limits
    from cluster.evals.sandbox.probe import probed

    await probed(sandbox_limits(settings), concurrency=1, bubblewrap=settings.bubblewrap)
