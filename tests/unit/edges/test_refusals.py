"""What an edge refuses is counted once, whoever counts it first."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from cluster.edges.refusals import Refusals
from cluster.errors import NotFound, StoreUnavailable, Unauthenticated, first_count
from cluster.telemetry.metrics import GatewayMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def refusals(registry: CollectorRegistry) -> Refusals:
    return Refusals(GatewayMetrics(["m"], max_organizations=2, registry=registry))


def total(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Sum of a counter's samples that carry ``labels``."""
    return sum(
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize("error", [NotFound("x"), RuntimeError("a defect")])
def test_what_is_passed_on_is_not_counted_again(refusals: Refusals, registry: CollectorRegistry, error: Exception) -> None:
    refusals.refused("grpc", "org_1", error)
    refusals.refused("grpc", "org_1", error)
    assert total(registry, "ossature_errors_total") == 1


def test_what_the_inside_has_counted_is_left_alone(refusals: Refusals, registry: CollectorRegistry) -> None:
    error = RuntimeError("a defect")
    assert first_count(error)
    refusals.refused("http", "org_1", error)
    assert total(registry, "ossature_errors_total") == 0


def test_why_a_key_was_refused_is_told_apart(refusals: Refusals, registry: CollectorRegistry) -> None:
    refusals.refused("http", "", Unauthenticated("x", reason="missing"))
    refusals.refused("http", "", StoreUnavailable("x"))
    assert total(registry, "ossature_authentication_failures_total", reason="missing") == 1
    assert total(registry, "ossature_authentication_failures_total", reason="unavailable") == 1
    assert total(registry, "ossature_errors_total", code="store_unavailable") == 1
