"""Packages that the locks pin, with what is known of them where they are installed."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")


def canonical(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class Package:
    """One pinned distribution. ``metadata`` is ``None`` where it is not installed, so that its licence can't be read here."""

    name: str
    version: str
    metadata: importlib.metadata.PackageMetadata | None
    requires: frozenset[str]

    @property
    def stated_licences(self) -> list[str]:
        """What its metadata says: an SPDX expression if it has one, else its classifiers, else its first line of free text."""
        if self.metadata is None:
            return []
        expression = self.metadata.get("License-Expression")
        if expression:
            return [expression]
        classifiers = [each for each in self.metadata.get_all("Classifier", []) if each.startswith("License ::")]
        if classifiers:
            return classifiers
        lines = (self.metadata.get("License") or "").strip().splitlines()
        return lines[:1]


def pinned(lock: Path) -> dict[str, str]:
    """Versions by name of a hash-locked requirements file. Raises ``OSError``."""
    lines = (_PINNED.match(line) for line in lock.read_text(encoding="utf-8").splitlines())
    return {canonical(found[1]): found[2] for found in lines if found}


def locked(locks: Iterable[Path], also_in: Iterable[Path] = ()) -> list[Package]:
    """Every package of these locks, by name. ``also_in``: folders of other environments that have some. Raises ``OSError``."""
    wanted: dict[str, str] = {}
    for lock in locks:
        wanted |= pinned(lock)
    elsewhere = importlib.metadata.distributions(path=[str(folder) for folder in also_in])
    found = [*elsewhere, *importlib.metadata.distributions()]
    installed = {(canonical(each.metadata["Name"]), _public(each.version)): each for each in found}
    return [_described(name, version, installed) for name, version in sorted(wanted.items())]


def _public(version: str) -> str:
    """A build for CPUs says so behind a plus; it is the same package to its licence."""
    return version.partition("+")[0]


def _described(name: str, version: str, installed: Mapping[tuple[str, str], importlib.metadata.Distribution]) -> Package:
    found = installed.get((name, _public(version)))
    if found is None:
        return Package(name, version, None, frozenset())
    return Package(name, version, found.metadata, frozenset(_required(found.requires or [])))


def _required(requirements: Iterable[str]) -> Iterable[str]:
    """Names that a package needs here without extras."""
    for each in requirements:
        try:
            requirement = Requirement(each)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonical(requirement.name)
