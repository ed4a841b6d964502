"""All checks for one configuration, and what they say together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.runtime.doctor.database import DatabaseState
from cluster.runtime.doctor.disk import DiskSpace
from cluster.runtime.doctor.finding import Check, Finding, Outcome, Reporter
from cluster.runtime.doctor.gpus import Gpus, replicas_at_start
from cluster.runtime.doctor.machine import Memory, OpenFiles
from cluster.runtime.doctor.model_files import ModelFiles, huggingface_cache, located, weights_bytes
from cluster.runtime.doctor.ports import Ports
from cluster.runtime.doctor.sandbox import SandboxProbe
from cluster.runtime.doctor.secrets import SecretGenerations
from cluster.runtime.doctor.speech import Speech
from cluster.runtime.doctor.versions import Versions
from cluster.runtime.run_record import running

CHECK_TIMEOUT_S = 60.0
_ORDER = (Outcome.PROBLEM, Outcome.WARNING, Outcome.UNKNOWN, Outcome.OK)

logger = logging.getLogger(__name__)


def checks_of(config: ClusterConfig) -> list[Check]:
    """For the cluster that this configuration describes, on this machine, whether it runs or not."""
    cache = huggingface_cache()
    closed: list[Check] = []
    try:
        run = running(config.data_dir)
    except OSError as error:
        run = None
        closed.append(ClosedDataFolder(config.data_dir, error))
    return [
        *closed,
        Versions(),
        Ports(config, run),
        Gpus(config, serving=run is not None),
        # The models of a cluster that runs are in memory already.
        Memory(config, 0 if run is not None else _weights_on_processors(config, cache)),
        OpenFiles(),
        DiskSpace(config, cache),
        ModelFiles(config, cache),
        DatabaseState(config),
        SecretGenerations(config, run),
        SandboxProbe(config),
        Speech(config),
    ]


async def examined(checks: Sequence[Check], timeout_s: float = CHECK_TIMEOUT_S) -> list[Finding]:
    """What all of them found, one check after the other. A check that breaks is a finding of its own, and ends no other."""
    found: list[Finding] = []
    for check in checks:
        try:
            async with asyncio.timeout(timeout_s):
                found += await check.findings()
        except TimeoutError:
            found.append(Finding(check.name, "check", Outcome.UNKNOWN, f"it did not end within {timeout_s:g} s"))
        except Exception as error:
            logger.debug("check %s", check.name, exc_info=True)
            message = f"the check itself failed ({type(error).__name__}: {error})"
            found.append(Finding(check.name, "check", Outcome.UNKNOWN, message, "This is a defect; please report it."))
    return found


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Problems, warnings, what can't be told, then what is well; otherwise in the order of the checks."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.outcome))


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    return {outcome.value: sum(finding.outcome is outcome for finding in findings) for outcome in Outcome}


class ClosedDataFolder(Reporter):
    """Stands for what can't be known of the cluster that may run from a folder which this user may not enter."""

    name: ClassVar[str] = "data folder"

    def __init__(self, data_dir: Path, error: OSError) -> None:
        self._data_dir = data_dir
        self._error = error

    async def findings(self) -> Sequence[Finding]:
        return [
            self.unknown(
                "whose it is",
                f"{self._data_dir} can't be entered ({self._error.strerror}): whether a cluster runs from it, and holds ports and "
                "GPUs, can't be told",
                "Run this as the user that serves.",
            )
        ]


def _weights_on_processors(config: ClusterConfig, cache: Path) -> int | None:
    """``None``: not known here."""
    total = 0
    for model in config.models:
        if model.placement.gpus_per_worker > 0:
            continue
        try:
            folder = located(model, cache)
            if folder is None:
                return None
            total += weights_bytes(folder) * replicas_at_start(model)
        except OSError:
            return None  # the check of the models' files says why
    return total
