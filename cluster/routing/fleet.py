"""The replicas of one model as one gateway knows them: how warm they are, and how much it has running on each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.routing.policy import Candidate
from cluster.routing.slow_start import ramp_weight

REPORT_LIFETIME_S = 10.0
"""How long a replica's own count of its requests is believed; as long as Ray Serve believes it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Seat(Candidate):
    """A replica, first seen at ``since_s``, with ``in_flight`` requests of this gateway.

    ``reported`` is what the replica said last of the requests of all gateways, at ``reported_s``.
    """

    since_s: float
    in_flight: int = 0
    reported: float = 0.0
    reported_s: float = float("-inf")
    draining: bool = False


class Fleet:
    """Seats by replica id. Not thread-safe."""

    def __init__(self, slow_start_s: float) -> None:
        self._slow_start_s = slow_start_s
        self._seats: dict[str, Seat] = {}
        self._warming: list[Seat] = []
        self._started_s: float | None = None

    @property
    def seats(self) -> list[Seat]:
        return list(self._seats.values())

    def seat(self, replica_id: str) -> Seat | None:
        return self._seats.get(replica_id)

    def update(self, replica_ids: Iterable[str], now_s: float) -> list[str]:
        """These replicas run now, all of them and no others. Returns those that are gone."""
        replica_ids = list(replica_ids)
        if self._started_s is None and replica_ids:
            self._started_s = now_s
        # No slow start for those that a new gateway finds, which are warm for all it knows, nor for those that come up with them,
        # which are no colder than the others.
        newcomer = self._started_s is not None and now_s - self._started_s > self._slow_start_s
        since_s = now_s if newcomer else now_s - self._slow_start_s
        before = self._seats
        self._seats = {
            replica_id: before.get(replica_id) or Seat(replica_id=replica_id, since_s=since_s) for replica_id in replica_ids
        }
        self._warming = list(self._seats.values())
        self.warm_up(now_s)
        return [replica_id for replica_id in before if replica_id not in self._seats]

    def remove(self, replica_id: str) -> None:
        """A replica was found dead."""
        self._seats.pop(replica_id, None)

    def warm_up(self, now_s: float) -> None:
        """Bring the weights of replicas that came up lately to what they are at ``now_s``."""
        if self._warming:
            for seat in self._warming:
                seat.weight = 0.0 if seat.draining else ramp_weight(now_s - seat.since_s, self._slow_start_s)
            self._warming = [seat for seat in self._warming if seat.weight < 1.0 and not seat.draining]

    def drain(self, replica_id: str) -> None:
        """A replica takes no new requests while there are others."""
        seat = self._seats.get(replica_id)
        if seat is not None:
            seat.draining, seat.weight = True, 0.0

    def sent(self, replica_id: str) -> None:
        """A request of this gateway is on its way there."""
        seat = self._seats.get(replica_id)
        if seat is not None:
            seat.in_flight += 1

    def ended(self, replica_id: str) -> None:
        """One of this gateway's requests there has ended, was refused, or could not be sent."""
        seat = self._seats.get(replica_id)
        if seat is not None and seat.in_flight > 0:
            seat.in_flight -= 1

    def reported(self, replica_id: str, ongoing: float, now_s: float) -> None:
        """A replica told how many requests it has, whosever they are."""
        seat = self._seats.get(replica_id)
        if seat is not None:
            seat.reported, seat.reported_s = ongoing, now_s

    def refresh(self, now_s: float) -> list[Seat]:
        """All seats, with weights and loads as of now. Load is what this gateway has there or, if more, what was reported."""
        self.warm_up(now_s)
        oldest_s = now_s - REPORT_LIFETIME_S
        seats = list(self._seats.values())
        for seat in seats:
            seat.load = seat.reported if seat.reported > seat.in_flight and seat.reported_s >= oldest_s else seat.in_flight
        return seats
