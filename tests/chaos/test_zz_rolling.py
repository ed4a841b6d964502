"""Upgrades and another number of replicas under load: nobody notices. The figures of docs/operations.md are `bench.rolling`'s."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from bench.rolling.__main__ import measure
from bench.rolling.cluster import Cluster

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]

RATE, STREAMS, LONG_S = 20.0, 4, 20.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    started = Cluster(fake=True)
    try:
        yield started
    finally:
        started.stop(60.0)


def changed(cluster: Cluster, phase: str) -> list[dict[str, Any]]:
    """What a phase of changes has meant to clients: nothing."""
    figures = asyncio.run(measure(cluster, [phase], fake=True, rate=RATE, streams=STREAMS, long_s=LONG_S, after_s=LONG_S))
    assert (figures["failed"], figures["cut"]) == (0, 0), [found["failures"] for found in figures["phases"]]
    for found in figures["phases"]:
        assert found["requests"] > RATE * LONG_S / 2, "the load did not go on"
        assert found["long streams across the change"] >= 1, "no stream was there to be cut"
    phases: list[dict[str, Any]] = figures["phases"]
    return phases


def test_an_upgrade_of_gateways_and_engines_fails_nothing(cluster: Cluster) -> None:
    (upgrade,) = changed(cluster, "deploy")
    assert len(upgrade["new replicas"]) == 2


def test_engines_are_scaled_by_load_and_fail_nothing(cluster: Cluster) -> None:
    down, up = changed(cluster, "scale")
    assert (len(down["new replicas"]), len(up["new replicas"])) == (0, 1)


def test_engines_are_scaled_by_late_first_tokens_and_fail_nothing(cluster: Cluster) -> None:
    """With load for one replica alone: it is the target that asks for the second one."""
    up, down = changed(cluster, "ttft")
    assert (len(up["new replicas"]), len(down["new replicas"])) == (1, 0)


def test_a_single_replica_with_surge_is_replaced_without_a_gap(cluster: Cluster) -> None:
    """The last: what follows would begin with the exchange of a single replica."""
    (upgrade,) = changed(cluster, "surge")
    assert len(upgrade["new replicas"]) == 1
