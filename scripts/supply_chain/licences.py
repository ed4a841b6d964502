"""Whether licences fit Apache-2.0, by the policy in ``requirements/licences.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supply_chain.packages import Package, canonical

#: Known by name, so that an alternative to them can be taken.
_COPYLEFT = frozenset(
    f"{family}-{version}-{which}"
    for family, versions in (("GPL", ("2.0", "3.0")), ("LGPL", ("2.1", "3.0")), ("AGPL", ("3.0",)))
    for version in versions
    for which in ("only", "or-later")
)
_TOKEN = re.compile(r"\(|\)|[^\s()]+")


class PolicyError(Exception):
    """The policy, or an expression of it, can't be read."""


@dataclass(frozen=True)
class Allowance:
    """A package that may stay although its licence is not among the allowed ones.

    ``states``: what its metadata says, word for word, so that another version with another licence is looked at again.
    """

    package: str
    licence: str
    reason: str
    states: str = ""


@dataclass(frozen=True)
class Policy:
    """``spelled``: licences as packages write them → SPDX's name."""

    allowed: frozenset[str]
    spelled: dict[str, str]
    exceptions: dict[str, Allowance]
    programs: dict[str, Allowance]

    @classmethod
    def read(cls, path: Path) -> Policy:
        """Raises ``OSError`` and :class:`PolicyError`."""
        try:
            data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
            exceptions = [
                Allowance(canonical(each["package"]), each["licence"], each["reason"], each["states"]) for each in data["exception"]
            ]
            programs = [Allowance(each["package"], each["licence"], each["reason"]) for each in data["program"]]
            policy = cls(
                frozenset(data["allowed"]),
                dict(data["spelled"]),
                {each.package: each for each in exceptions},
                {each.package: each for each in programs},
            )
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
            raise PolicyError(f"{path.name}: {error}") from error
        unexplained = [each.package for each in (*exceptions, *programs) if len(each.reason) < 20]
        if unexplained:
            raise PolicyError(f"{path.name}: no reason for {', '.join(unexplained)}")
        return policy

    def licence_of(self, package: Package) -> str | None:
        """As an SPDX expression; ``None`` when the package states none that is understood."""
        stated = [self.spelled.get(each, each) for each in package.stated_licences]
        known = [each for each in stated if each and self._is_expression(each)]
        if not known or len(known) < len(stated):
            return None
        unique = list(dict.fromkeys(known))
        return unique[0] if len(unique) == 1 else " AND ".join(f"({each})" if " " in each else each for each in unique)

    def fits(self, expression: str) -> bool:
        """Of alternatives one must be allowed, of licences that hold together each. Raises :class:`PolicyError`."""
        tokens = _TOKEN.findall(expression)
        verdict, rest = self._alternatives(tokens)
        if rest:
            raise PolicyError(f"{expression!r} is no licence expression")
        return verdict

    def _is_expression(self, text: str) -> bool:
        """Whether each licence of it is known: allowed, or one of those that need a reason."""
        words = [token for token in _TOKEN.findall(text) if token not in ("(", ")", "AND", "OR", "WITH")]
        return all(word in self.allowed | _COPYLEFT or word.endswith("-exception") for word in words)

    def _alternatives(self, tokens: Sequence[str]) -> tuple[bool, Sequence[str]]:
        verdict, rest = self._together(tokens)
        while rest[:1] == ["OR"]:
            other, rest = self._together(rest[1:])
            verdict = verdict or other
        return verdict, rest

    def _together(self, tokens: Sequence[str]) -> tuple[bool, Sequence[str]]:
        verdict, rest = self._single(tokens)
        while rest[:1] == ["AND"]:
            other, rest = self._single(rest[1:])
            verdict = verdict and other
        return verdict, rest

    def _single(self, tokens: Sequence[str]) -> tuple[bool, Sequence[str]]:
        if not tokens:
            raise PolicyError("a licence expression ends too early")
        if tokens[0] == "(":
            verdict, rest = self._alternatives(tokens[1:])
            if rest[:1] != [")"]:
                raise PolicyError("a parenthesis of a licence expression is not closed")
            return verdict, rest[1:]
        if tokens[1:2] == ["WITH"]:  # an exception to a licence only permits more
            return tokens[0] in self.allowed, tokens[3:]
        return tokens[0] in self.allowed, tokens[1:]


@dataclass(frozen=True)
class Verdict:
    """``refused``: what must not stay, each with its reason. ``unread``: packages that are not installed here."""

    refused: list[str]
    unread: list[str]
    looked_at: int


def judge(packages: Iterable[Package], policy: Policy) -> Verdict:
    """Of every package; an exception that no package needs is refused too, so that the list stays true."""
    refused, unread, needed, looked_at = [], [], set(), 0
    for package in packages:
        if package.metadata is None:
            unread.append(package.name)
            continue
        looked_at += 1
        licence, exception = policy.licence_of(package), policy.exceptions.get(package.name)
        stated = " | ".join(package.stated_licences)
        if exception is not None:
            needed.add(package.name)
            if stated != exception.states:
                refused.append(f"{package.name}: states {stated!r}, and its exception is for {exception.states!r}")
        elif licence is None:
            refused.append(f"{package.name}: states {stated!r}, which the policy does not know")
        elif not policy.fits(licence):
            refused.append(f"{package.name}: {licence} does not fit")
    known_absent = set(unread)
    refused += [f"{name}: has an exception and is not locked" for name in sorted(policy.exceptions.keys() - needed - known_absent)]
    return Verdict(refused, unread, looked_at)
