from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from cluster.telemetry.relay_metrics import RelayMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> RelayMetrics:
    return RelayMetrics(registry=registry)


def test_connections_are_told_apart(metrics: RelayMetrics, registry: CollectorRegistry) -> None:
    metrics.channel_connected(again=False)
    metrics.channel_connected(again=True)
    metrics.channel_connected(again=True)
    metrics.channel_refused()
    counts = {
        outcome: registry.get_sample_value("ossature_relay_connections_total", {"outcome": outcome})
        for outcome in ("first", "again", "refused")
    }
    assert counts == {"first": 1, "again": 2, "refused": 1}


def test_channels_and_their_ends_are_counted(metrics: RelayMetrics, registry: CollectorRegistry) -> None:
    metrics.channels_open(3)
    metrics.channel_ended("silent")
    metrics.channel_ended("something new")
    assert registry.get_sample_value("ossature_relay_channels") == 3
    assert registry.get_sample_value("ossature_relay_channel_ends_total", {"reason": "silent"}) == 1
    assert registry.get_sample_value("ossature_relay_channel_ends_total", {"reason": "other"}) == 1
    assert registry.get_sample_value("ossature_relay_channel_ends_total", {"reason": "protocol"}) == 0


def test_traffic_adds_up(metrics: RelayMetrics, registry: CollectorRegistry) -> None:
    for _ in range(2):
        metrics.channel_traffic(received_bytes=100, sent_bytes=7, messages=2, frames=64)
    assert registry.get_sample_value("ossature_relay_bytes_total", {"direction": "received"}) == 200
    assert registry.get_sample_value("ossature_relay_bytes_total", {"direction": "sent"}) == 14
    assert registry.get_sample_value("ossature_relay_messages_total") == 4
    assert registry.get_sample_value("ossature_relay_frames_total") == 128
