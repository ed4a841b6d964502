"""Metrics of the channels between engine replicas and gateways; one object in a gateway process."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry

from cluster.telemetry import catalog, labels, multiprocess
from cluster.telemetry.instruments import Family, counter, gauge


class RelayMetrics:
    """Implements :class:`~cluster.relay.observer.ChannelObserver`. Nothing here costs per token or per message."""

    def __init__(self, *, registry: CollectorRegistry = REGISTRY) -> None:
        multiprocess.install()
        self._channels = gauge(catalog.relay.RELAY_CHANNELS, registry)
        self._connections = Family(counter(catalog.relay.RELAY_CONNECTIONS, registry))
        self._ends = Family(counter(catalog.relay.RELAY_CHANNEL_ENDS, registry))
        self._bytes = Family(counter(catalog.relay.RELAY_BYTES, registry))
        self._messages = counter(catalog.relay.RELAY_MESSAGES, registry)
        self._frames = counter(catalog.relay.RELAY_FRAMES, registry)
        self._waiting = gauge(catalog.relay.RELAY_WAITING_BYTES, registry)
        self._given_up = counter(catalog.relay.RELAY_GIVEN_UP, registry)
        self._residency_replicas = gauge(catalog.routing.RESIDENCY_REPLICAS, registry)
        self._residency_hashes = gauge(catalog.routing.RESIDENCY_HASHES, registry)
        self._residency_gaps = counter(catalog.routing.RESIDENCY_GAPS, registry)
        self._connections.create(labels.CONNECTION_OUTCOMES)
        self._ends.create(labels.CHANNEL_END_REASONS)
        self._bytes.create(labels.DIRECTIONS)

    def channel_connected(self, *, again: bool) -> None:
        self._connections("again" if again else "first").inc()

    def channel_refused(self) -> None:
        self._connections("refused").inc()

    def channel_ended(self, reason: str) -> None:
        self._ends(labels.known(reason, labels.CHANNEL_END_REASONS)).inc()

    def channels_open(self, count: int) -> None:
        self._channels.set(count)

    def channel_traffic(self, *, received_bytes: int, sent_bytes: int, messages: int, frames: int) -> None:
        self._bytes("received").inc(received_bytes)
        self._bytes("sent").inc(sent_bytes)
        self._messages.inc(messages)
        self._frames.inc(frames)

    def waiting(self, *, size_bytes: int, given_up: int) -> None:
        self._waiting.set(size_bytes)
        self._given_up.inc(given_up)

    def residency(self, *, replicas: int, hashes: int, gaps: int) -> None:
        self._residency_replicas.set(replicas)
        self._residency_hashes.set(hashes)
        self._residency_gaps.inc(gaps)
