"""The replicas of one model as one gateway knows them: how warm they are, and how much they have to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.routing.policy import Candidate
from cluster.routing.slow_start import ramp_weight

REPORT_LIFETIME_S = 10.0
"""How long a replica's own count of its requests is believed; as long as Ray Serve believes it."""

_SWEEP_PERIOD_S = 1.0


@dataclass(slots=True, kw_only=True, eq=False)
class Seat(Candidate):
    """A replica, first seen at ``since_s``.

    Its load is what this gateway has there now, ``in_flight``, and what ``others`` had when it last told, at ``reported_s``.
    """

    since_s: float
    in_flight: int = 0
    others: float = 0.0
    reported_s: float = float("-inf")
    draining: bool = False


class Fleet:
    """Seats by replica id. Not thread-safe."""

    def __init__(self, slow_start_s: float) -> None:
        self._slow_start_s = slow_start_s
        self._seats: dict[str, Seat] = {}
        self._listed: tuple[Seat, ...] = ()
        self._warming: list[Seat] = []
        self._started_s: float | None = None
        self._next_sweep_s = float("-inf")

    @property
    def seats(self) -> tuple[Seat, ...]:
        """All seats. The same tuple for as long as neither its members nor their weights change."""
        return self._listed

    def seat(self, replica_id: str) -> Seat | None:
        return self._seats.get(replica_id)

    def update(self, replica_ids: Iterable[str], now_s: float) -> list[str]:
        """These replicas run now, all of them and no others. Returns those that are gone."""
        replica_ids = list(replica_ids)
        if self._started_s is None and replica_ids:
            self._started_s = now_s
        before = self._seats
        if before.keys() == set(replica_ids):
            return []
        # No slow start for those that a new gateway finds, which are warm for all it knows, nor for those that come up with them,
        # which are no colder than the others.
        newcomer = self._started_s is not None and now_s - self._started_s > self._slow_start_s
        since_s = now_s if newcomer else now_s - self._slow_start_s
        self._seats = {
            replica_id: before.get(replica_id) or Seat(replica_id=replica_id, since_s=since_s) for replica_id in replica_ids
        }
        self._listed = tuple(self._seats.values())
        self._warming = list(self._listed)
        self.warm_up(now_s)
        return [replica_id for replica_id in before if replica_id not in self._seats]

    def remove(self, replica_id: str) -> None:
        """A replica was found dead."""
        self._seats.pop(replica_id, None)
        self._listed = tuple(self._seats.values())

    def warm_up(self, now_s: float) -> None:
        """Bring the weights of replicas that came up lately to what they are at ``now_s``."""
        if not self._warming:
            return
        for seat in self._warming:
            seat.weight = 0.0 if seat.draining else ramp_weight(now_s - seat.since_s, self._slow_start_s)
        self._warming = [seat for seat in self._warming if seat.weight < 1.0 and not seat.draining]
        self._reweighted()

    def drain(self, replica_id: str) -> None:
        """A replica takes no new requests while there are others."""
        seat = self._seats.get(replica_id)
        if seat is not None:
            seat.draining, seat.weight = True, 0.0
            self._reweighted()

    def sent(self, replica_id: str) -> None:
        """A request of this gateway is on its way there."""
        seat = self._seats.get(replica_id)
        if seat is not None:
            seat.in_flight += 1
            seat.load = seat.in_flight + seat.others

    def ended(self, replica_id: str) -> None:
        """One of this gateway's requests there has ended, was refused, or could not be sent."""
        seat = self._seats.get(replica_id)
        if seat is not None and seat.in_flight > 0:
            seat.in_flight -= 1
            seat.load = seat.in_flight + seat.others

    def reported(self, replica_id: str, ongoing: float, now_s: float) -> None:
        """A replica told how many requests it has, whosever they are."""
        seat = self._seats.get(replica_id)
        if seat is not None:
            seat.others = max(0.0, ongoing - seat.in_flight)
            seat.load = seat.in_flight + seat.others
            seat.reported_s = now_s

    def refresh(self, now_s: float) -> tuple[Seat, ...]:
        """As ``seats``, with weights and loads as of now."""
        self.warm_up(now_s)
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + _SWEEP_PERIOD_S
            for seat in self._listed:
                if seat.others > 0.0 and seat.reported_s < now_s - REPORT_LIFETIME_S:
                    seat.others = 0.0
                    seat.load = seat.in_flight
        return self._listed

    def _reweighted(self) -> None:
        # Another tuple, so that nobody takes it for the one with the old weights.
        self._listed = tuple(self._seats.values())
