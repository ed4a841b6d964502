"""Replicas that join, die or drain in the middle of a replay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    JOIN = "join"
    DIE = "die"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True, order=True)
class FleetEvent:
    """At ``at_s`` a replica joins; or the ``replica``-th of those at the start dies, or is drained."""

    at_s: float
    change: Change
    replica: int = 0
