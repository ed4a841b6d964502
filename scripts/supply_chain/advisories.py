"""Known vulnerabilities of the locked packages, by pip-audit, which asks an advisory service on the network."""

from __future__ import annotations

import json
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from supply_chain.packages import canonical

#: pip-audit's own patience with one request, in seconds.
REQUEST_TIMEOUT_S = 15
_TIMEOUT_S = 600
#: Of what it says, in characters.
_QUOTED = 300


class NotAsked(Exception):
    """Nobody can say whether the packages are vulnerable. The message says why."""


@dataclass(frozen=True)
class Advisory:
    """Something known of a locked package."""

    package: str
    version: str
    identifiers: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"; fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "; no fixed version"
        return f"{self.package} {self.version}: {', '.join(self.identifiers)}{fixed}"


@dataclass(frozen=True)
class Answer:
    """``passed_over``: packages of which nothing is said, each with the reason."""

    found: list[Advisory]
    passed_over: list[str]


@dataclass(frozen=True)
class Tolerated:
    """An advisory that is known not to concern the cluster, until a day."""

    identifier: str
    reason: str
    until: date


def tolerated(path: Path, today: date) -> dict[str, Tolerated]:
    """Those of the policy that still hold. Raises ``OSError``, and ``ValueError`` for what can't be read or has no reason."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("advisory", [])
    found = {}
    for each in entries:
        try:
            one = Tolerated(each["id"], each["reason"], each["until"])
        except KeyError as missing:
            raise ValueError(f"{path.name}: an advisory without {missing}") from missing
        if len(one.reason) < 20:
            raise ValueError(f"{path.name}: {one.identifier} has no reason")
        if one.until >= today:
            found[one.identifier] = one
    return found


def ask(pip_audit: Path, pins: Mapping[str, str]) -> Answer:
    """Advisories of these versions, by name.

    Raises:
        NotAsked: pip-audit is missing, or the advisory service can't be reached.
    """
    if not pip_audit.exists():
        raise NotAsked(f"{pip_audit} is not there: scripts/setup.sh --audit")
    command = [str(pip_audit), "--format=json", "--progress-spinner=off", f"--timeout={REQUEST_TIMEOUT_S}"]
    with tempfile.NamedTemporaryFile("w", prefix="pins-", suffix=".txt") as file:
        # Builds of one version (2.13.0+cpu) share its advisories; indexes know the version alone.
        file.writelines(f"{name}=={version.partition('+')[0]}\n" for name, version in pins.items())
        file.flush()
        done = _run([*command, "--disable-pip", "--no-deps", "-r", file.name])
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines()
        raise NotAsked(f"pip-audit (exit status {done.returncode}): {said[-1][:_QUOTED] if said else 'said nothing'}") from None
    named = {canonical(each["name"]) for each in dependencies}
    return Answer(
        found=[
            Advisory(each["name"], each["version"], (known["id"], *known.get("aliases", [])), tuple(known.get("fix_versions", [])))
            for each in dependencies
            for known in each.get("vulns", [])
        ],
        passed_over=[f"{each['name']}: {each['skip_reason']}" for each in dependencies if "skip_reason" in each]
        + [f"{name}: the answer does not name it" for name in pins if canonical(name) not in named],
    )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAsked(f"pip-audit did not answer: {error}") from error


def open_ones(found: Sequence[Advisory], known: Mapping[str, Tolerated]) -> list[Advisory]:
    """Those that nobody has looked at, or whose time of grace is over."""
    return [each for each in found if not known.keys() & set(each.identifiers)]
