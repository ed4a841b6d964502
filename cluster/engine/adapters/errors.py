"""Why an adapter can't answer. Messages are for the caller, whose model it is; they name no place in the store or on a disk."""

from __future__ import annotations

from cluster.engine.contract import Fault, FaultKind


class AdapterError(Exception):
    """``fault``: what the request ends with."""

    kind = FaultKind.ADAPTER_UNUSABLE

    @property
    def fault(self) -> Fault:
        return Fault(self.kind, str(self))


class AdapterUnusable(AdapterError):
    """Its files are missing or damaged, or don't fit the engine. To try again would not help."""


class AdapterUnreachable(AdapterError):
    """The store of its files can't be reached now, or this replica has no room for them now."""

    kind = FaultKind.ADAPTER_UNREACHABLE
