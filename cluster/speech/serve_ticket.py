"""Tells the router of a call to the speech deployment which replica it is for. No Ray in here: replicas and routers share it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SpeechTicket:
    """``replica_id``: None on the way out means any; the router writes down which one it was."""

    replica_id: str | None = None
