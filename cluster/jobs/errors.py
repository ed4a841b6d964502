"""How a run of a job ends, other than with a result. None of these reaches a caller of an edge."""

from __future__ import annotations

from enum import StrEnum


class JobFailed(Exception):
    """Raised by a handler: the job has failed for good, and its owner is told why in these words."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


class StopReason(StrEnum):
    CANCEL = "cancel"
    PAUSE = "pause"
    LEASE_LOST = "lease_lost"
    DRAIN = "drain"
    """The worker is shutting down; another one goes on with the job."""


class JobStopped(Exception):
    """This run is to end here. A handler lets it pass; what it has recorded stays for the next run, if there is one."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class LeaseLost(JobStopped):
    """Somebody else has the job by now, or nobody has: this worker's write was not made, and none will be any more."""

    def __init__(self) -> None:
        super().__init__(StopReason.LEASE_LOST)
