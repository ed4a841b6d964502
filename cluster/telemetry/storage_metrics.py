"""Metrics of what a gateway keeps for organizations: stored completions and files; one object in a gateway process."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry

from cluster.telemetry import catalog, labels, multiprocess
from cluster.telemetry.instruments import Family, counter, histogram


class StorageMetrics:
    """Arguments named ``…_s`` are seconds."""

    def __init__(self, *, registry: CollectorRegistry = REGISTRY) -> None:
        multiprocess.install()
        self._completions = Family(counter(catalog.storage.STORED_COMPLETIONS, registry))
        self._wait = histogram(catalog.storage.STORE_WAIT, registry)
        self._purged = counter(catalog.storage.STORED_PURGED, registry)
        self._file_bytes = Family(counter(catalog.storage.FILE_BYTES, registry))
        self._swept = Family(counter(catalog.storage.FILES_SWEPT, registry))
        self._completions.create(labels.STORE_OUTCOMES)
        self._file_bytes.create(labels.DIRECTIONS)
        self._swept.create(labels.SWEEP_REASONS)

    def completion_stored(self, outcome: str, waited_s: float) -> None:
        """An answer that was to be stored has ended. ``outcome``: one of ``labels.STORE_OUTCOMES``."""
        self._completions(labels.known(outcome, labels.STORE_OUTCOMES)).inc()
        self._wait.observe(waited_s)

    def completions_purged(self, count: int) -> None:
        """Completions past their retention were deleted."""
        self._purged.inc(count)

    def file_received(self, size_bytes: int) -> None:
        """A file was uploaded."""
        self._file_bytes("received").inc(size_bytes)

    def file_sent(self, size_bytes: int) -> None:
        """A piece of a file's content was written to a client."""
        self._file_bytes("sent").inc(size_bytes)

    def files_swept(self, reason: str, count: int) -> None:
        """``reason``: one of ``labels.SWEEP_REASONS``."""
        self._swept(labels.known(reason, labels.SWEEP_REASONS)).inc(count)
