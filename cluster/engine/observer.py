"""What engine replicas report to whoever keeps metrics. Telemetry implements it; the engine knows only this."""

from __future__ import annotations

from typing import Protocol


class EngineObserver(Protocol):
    """Calls are made on the replica's event loop and must not block."""

    def cross_org_hit(self, model: str) -> None:
        """A request found cached tokens that its organization can't have put there (``ossature_cross_org_hits_total``)."""
        ...

    def isolation_judged(self, model: str) -> None:
        """A request was the first of its organization and salt, and was checked: the denominator of the above."""
        ...

    def cold_start_phase(self, model: str, phase: str, seconds: float) -> None:
        """A phase of a cold start has ended. ``phase`` is one of :class:`~cluster.engine.cold_start.Phase`."""
        ...

    def engine_died(self, model: str) -> None:
        """The engine of this replica can't generate any more; the replica is about to be replaced."""
        ...

    def stream_begun(self, model: str, front_end: str) -> None:
        """A streamed answer was accepted. ``front_end`` writes it: ``lean`` or ``vllm``."""
        ...

    def adapter_loaded(self, model: str, seconds: float) -> None:
        """The engine has loaded an adapter from the replica's disk, in so many seconds."""
        ...

    def adapter_failed(self, model: str) -> None:
        """A request could not be answered for want of its adapter."""
        ...

    def adapters_held(self, model: str, count: int) -> None:
        """How many adapters the engine holds now."""
        ...

    def adapter_files(self, model: str, size_bytes: int) -> None:
        """How much of the replica's disk adapters take now."""
        ...


class SilentObserver:
    """Reports nothing, for tools and tests that don't look."""

    def cross_org_hit(self, model: str) -> None:
        return

    def isolation_judged(self, model: str) -> None:
        return

    def cold_start_phase(self, model: str, phase: str, seconds: float) -> None:
        return

    def engine_died(self, model: str) -> None:
        return

    def stream_begun(self, model: str, front_end: str) -> None:
        return

    def adapter_loaded(self, model: str, seconds: float) -> None:
        return

    def adapter_failed(self, model: str) -> None:
        return

    def adapters_held(self, model: str, count: int) -> None:
        return

    def adapter_files(self, model: str, size_bytes: int) -> None:
        return
