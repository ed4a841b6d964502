"""The question for known vulnerabilities: what an answer means, and that no answer is not taken for a good one."""

from __future__ import annotations

import json
import stat
from datetime import date
from pathlib import Path

import pytest
from supply_chain.advisories import NotAsked, ask, open_ones, tolerated

VULNERABLE = {
    "dependencies": [
        {"name": "good", "version": "1", "vulns": []},
        {
            "name": "bad",
            "version": "2",
            "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["3"], "description": ""}],
        },
    ]
}


def fake_pip_audit(folder: Path, output: str, error: str = "", status: int = 0) -> Path:
    path = folder / "pip-audit"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\necho '{error}' >&2\nexit {status}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_advisories_are_named_with_what_fixes_them(tmp_path: Path) -> None:
    answer = ask(fake_pip_audit(tmp_path, json.dumps(VULNERABLE), status=1), {})
    (found,) = answer.found
    assert answer.passed_over == []
    assert str(found) == "bad 2: PYSEC-1, CVE-1; fixed in 3"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("", "the service does not answer"),
        ("no JSON", "the service does not answer"),
    ],
)
def test_no_answer_is_no_clean_bill(tmp_path: Path, output: str, said: str) -> None:
    with pytest.raises(NotAsked, match=said):
        ask(fake_pip_audit(tmp_path, output, error="the service does not answer", status=1), {})


def test_a_package_that_the_service_does_not_know_is_told_apart_from_a_clean_one(tmp_path: Path) -> None:
    mixed = {"dependencies": [*VULNERABLE["dependencies"], {"name": "a", "skip_reason": "not on the index"}]}
    answer = ask(fake_pip_audit(tmp_path, json.dumps(mixed), status=1), {})
    assert [each.package for each in answer.found] == ["bad"]
    assert answer.passed_over == ["a: not on the index"]


def test_a_package_that_the_answer_leaves_out_was_not_audited(tmp_path: Path) -> None:
    answer = ask(fake_pip_audit(tmp_path, json.dumps(VULNERABLE)), {"good": "1", "bad": "2", "left-out": "3"})
    assert answer.passed_over == ["left-out: the answer does not name it"]
    spelled = {"dependencies": [{"name": "Left_Out", "version": "3", "vulns": []}]}
    assert ask(fake_pip_audit(tmp_path, json.dumps(spelled)), {"left-out": "3"}).passed_over == []


def test_without_pip_audit_nothing_is_said_to_be_clean(tmp_path: Path) -> None:
    with pytest.raises(NotAsked, match=r"setup\.sh --audit"):
        ask(tmp_path / "pip-audit", {})


def test_every_pin_is_asked_for_by_its_public_version(tmp_path: Path) -> None:
    """An index knows no build for CPUs."""
    asked = tmp_path / "asked"
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\nfor last in \"$@\"; do :; done\ncat $last >{asked}\necho '{json.dumps(VULNERABLE)}'\n")
    program.chmod(0o755)
    ask(program, {"torch": "2.13.0+cpu", "numpy": "2.4"})
    assert asked.read_text().splitlines() == ["torch==2.13.0", "numpy==2.4"]


def test_an_advisory_is_tolerated_with_a_reason_until_a_day(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[advisory]]\nid = "CVE-1"\nreason = "the function is never called here"\nuntil = 2026-02-01\n')
    found = ask(fake_pip_audit(tmp_path, json.dumps(VULNERABLE)), {}).found
    assert open_ones(found, tolerated(policy, date(2026, 2, 1))) == []
    assert open_ones(found, tolerated(policy, date(2026, 2, 2))) == found


@pytest.mark.parametrize("entry", ['id = "CVE-1"\nuntil = 2026-02-01', 'id = "CVE-1"\nreason = "fine"\nuntil = 2026-02-01'])
def test_a_toleration_without_a_reason_is_refused(tmp_path: Path, entry: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f"[[advisory]]\n{entry}\n")
    with pytest.raises(ValueError, match="reason"):
        tolerated(policy, date(2026, 1, 1))
