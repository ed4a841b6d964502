"""The secrets in the data folder: whole, their owner's alone, and no rotation left half done."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.runtime.cluster_secret import Generations, SecretError, SecretFile
from cluster.runtime.doctor.finding import Finding, Reporter
from cluster.runtime.preparation import CREDENTIALS_FILE
from cluster.runtime.run_record import RunRecord

STALE_ROTATION_S = 7 * 86_400.0
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretGenerations(Reporter):
    """``run``: the cluster that runs from the data folder, if any."""

    name: ClassVar[str] = "secrets"

    def __init__(self, config: ClusterConfig, run: RunRecord | None, now: Callable[[], float] = time.time) -> None:
        self._config = config
        self._run = run
        self._now = now

    async def findings(self) -> Sequence[Finding]:
        return [self._cluster_secret(), self._first_keys()]

    def _cluster_secret(self) -> Finding:
        subject = "cluster secret"
        if self._config.secret is not None:
            accepted = " and one that is accepted beside it" if self._config.accepted_secret is not None else ""
            return self.ok(subject, f"given by the configuration{accepted}")
        file = SecretFile(self._config.data_dir, self._now)
        try:
            found = file.read()
        except SecretError as error:
            if isinstance(error.__cause__, PermissionError):
                return self.unknown(subject, error.message, "Run this as the user that serves.")
            return self.problem(subject, error.message, error.next_step or "Look at the file.")
        if found is None:
            return self.ok(subject, "none yet: the first start makes it")
        return self._exposed(subject, file.path) or self._generations(subject, found)

    def _generations(self, subject: str, found: Generations) -> Finding:
        made_at = found.current.made_at or 0
        if self._run is not None and self._run.started_unix_s < made_at:
            return self.warning(
                subject,
                f"generation {found.current.fingerprint} was made after the start of the cluster that runs, which doesn't know it",
                "Restart the cluster.",
            )
        if found.accepted is None:
            return self.ok(subject, f"one generation, {found.current.fingerprint}")
        both = f"two generations, {found.current.fingerprint} and, accepted, {found.accepted.fingerprint}"
        if self._now() - made_at > STALE_ROTATION_S:
            return self.warning(subject, f"{both}; the rotation was more than a week ago", "`ossature secret retire`")
        return self.ok(subject, both)

    def _first_keys(self) -> Finding:
        subject = "first keys"
        path = self._config.data_dir / CREDENTIALS_FILE
        try:
            stored = json.loads(path.read_bytes())
            whole = all(isinstance(stored[name], str) for name in ("api_key", "admin_key"))
        except FileNotFoundError:
            return self.ok(subject, "none yet: the first start makes them")
        except OSError as error:
            return self.unknown(subject, f"{path} can't be read ({error.strerror})", "Run this as the user that serves.")
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            return self.problem(subject, f"{path} can't be read as credentials", "Remove it to have new keys made.")
        return self._exposed(subject, path) or self.ok(subject, f"{path}, its owner's alone")

    def _exposed(self, subject: str, path: Path) -> Finding | None:
        mode = stat.S_IMODE(path.stat().st_mode)
        if not mode & _OF_OTHERS:
            return None
        return self.problem(
            subject, f"other users may use {path} (mode {mode:04o})", f"chmod 600 {path}, and replace what it holds."
        )
