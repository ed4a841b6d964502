"""From the settings to graders that run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cluster.config.settings.evals import EvalsSettings
from cluster.evals.asking import Ask, InferenceAsk
from cluster.evals.grading import Grading
from cluster.evals.judging import Judge
from cluster.evals.runs.sampling import Sampler
from cluster.evals.sandbox import Sandbox, SandboxLimits, SandboxUnavailable, probed
from cluster.identity.principal import Principal
from cluster.inference.service import Inference

FindSandbox = Callable[[], Awaitable[tuple[Sandbox | None, str]]]
"""The sandbox, or why there is none."""


def sandbox_limits(settings: EvalsSettings) -> SandboxLimits:
    return SandboxLimits(
        memory_bytes=settings.sandbox_memory_bytes,
        cpu_s=settings.sandbox_cpu_s,
        wall_s=settings.sandbox_wall_s,
        output_bytes=settings.sandbox_output_bytes,
        tmp_bytes=settings.sandbox_tmp_bytes,
        file_bytes=settings.sandbox_file_bytes,
        open_files=settings.sandbox_open_files,
        input_bytes=settings.sandbox_input_bytes,
    )


async def sandbox_of(settings: EvalsSettings) -> tuple[Sandbox | None, str]:
    """The sandbox of this process, to be made once, and why there is none. Takes about two seconds."""
    if not settings.python_graders:
        return None, "Python graders are switched off."
    try:
        sandbox = await probed(sandbox_limits(settings), concurrency=settings.sandbox_concurrency, bubblewrap=settings.bubblewrap)
    except SandboxUnavailable as error:
        return None, f"Python graders can't run on this host: {error}"
    return sandbox, ""


class SandboxOnce:
    """Finds out what this host can hold when it is first asked, and remembers it."""

    def __init__(self, settings: EvalsSettings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()
        self._found: tuple[Sandbox | None, str] | None = None

    async def __call__(self) -> tuple[Sandbox | None, str]:
        async with self._turn:
            if self._found is None:
                self._found = await sandbox_of(self._settings)
            return self._found


def grading(settings: EvalsSettings, ask: Ask, sandbox: Sandbox | None, why: str) -> Grading:
    """Graders that ask through ``ask``. ``sandbox`` and ``why``: what :func:`sandbox_of` gave."""
    return Grading(Judge(ask, attempts=settings.judge_attempts, max_delay_s=settings.judge_max_delay_s), sandbox, why)


def asking(settings: EvalsSettings, inference: Inference, principal: Principal, trace_id: str) -> InferenceAsk:
    """Questions on behalf of ``principal``, one trace for all of them."""
    return InferenceAsk(inference, principal, trace_id, settings.judge_timeout_s)


def sampling(settings: EvalsSettings, inference: Inference, principal: Principal, trace_id: str) -> Sampler:
    """Answers of evaluated models on behalf of ``principal``."""
    ask = InferenceAsk(inference, principal, trace_id, settings.sample_timeout_s)
    return Sampler(ask, settings.sample_attempts, settings.sample_max_delay_s)
