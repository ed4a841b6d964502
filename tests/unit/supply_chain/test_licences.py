"""Licences of the locked packages against the policy."""

from __future__ import annotations

from email.message import Message
from pathlib import Path

import pytest
from supply_chain.licences import Policy, PolicyError, judge
from supply_chain.packages import Package, locked

from tests.chart import ROOT

POLICY = Policy.read(ROOT / "requirements" / "licences.toml")


def package(name: str, **metadata: str) -> Package:
    message = Message()
    for field, value in metadata.items():
        message[field.replace("_", "-")] = value
    return Package(name, "1.0", message, frozenset())  # type: ignore[arg-type]  # a message is what metadata is


def bare() -> Policy:
    return Policy(POLICY.allowed, POLICY.spelled, {}, {})


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND (GPL-3.0-only OR BSD-3-Clause)", True),
        ("Apache-2.0 WITH LLVM-exception AND MIT", True),
        ("MIT OR GPL-3.0-only AND GPL-2.0-only", True),
    ],
)
def test_alternatives_need_one_allowed_licence_and_conjunctions_all(expression: str, fits: bool) -> None:
    assert POLICY.fits(expression) is fits


@pytest.mark.parametrize("expression", ["(MIT", "MIT AND", "MIT MIT", ""])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(PolicyError):
        POLICY.fits(expression)


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({"License_Expression": "GPL-3.0-only"}, "GPL-3.0-only"),
        ({"License": "Ask us"}, "which the policy does not know"),
        ({}, "states ''"),
        ({"Classifier": "License :: OSI Approved :: GNU Affero General Public License v3"}, "does not know"),
    ],
)
def test_a_package_that_does_not_fit_is_refused_by_name(metadata: dict[str, str], complaint: str) -> None:
    (refused,) = judge([package("stranger", **metadata)], bare()).refused
    assert refused.startswith("stranger: ")
    assert complaint in refused


def test_an_exception_is_for_the_licence_that_somebody_looked_at() -> None:
    changed = package("soxr", License_Expression="Apache-2.0 AND LGPL-2.1-only")
    refused = judge([changed], Policy(POLICY.allowed, {}, {"soxr": POLICY.exceptions["soxr"]}, {})).refused
    assert len(refused) == 1
    assert "its exception is for 'LGPL-2.1-or-later'" in refused[0]


def test_an_exception_that_nobody_needs_is_refused() -> None:
    (refused,) = judge([], Policy(POLICY.allowed, {}, {"soxr": POLICY.exceptions["soxr"]}, {})).refused
    assert refused == "soxr: has an exception and is not locked"


def test_what_is_not_installed_is_told_apart_from_what_fits() -> None:
    verdict = judge([Package("elsewhere", "1", None, frozenset())], bare())
    assert (verdict.refused, verdict.unread, verdict.looked_at) == ([], ["elsewhere"], 0)


def test_the_policy_gives_a_reason_for_every_exception(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    exception = '[[exception]]\npackage = "a"\nlicence = "GPL-2.0-only"\nreason = "ok"\nstates = ""\n'
    path.write_text(f"allowed = []\nprogram = []\n[spelled]\n{exception}")
    with pytest.raises(PolicyError, match="no reason for a"):
        Policy.read(path)


def test_every_locked_package_of_this_environment_fits() -> None:
    names = ("cpu.lock", "silero.lock")
    packages = [each for each in locked(ROOT / "requirements" / name for name in names) if each.metadata is not None]
    assert len(packages) > 150
    assert [each for each in judge(packages, POLICY).refused if "is not locked" not in each] == []


def test_copyleft_without_a_linking_exception_is_a_program_of_its_own() -> None:
    for name, exception in POLICY.exceptions.items():
        if exception.licence.startswith(("GPL", "AGPL")):
            assert "program of its own" in exception.reason, name
