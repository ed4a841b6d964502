from __future__ import annotations

from cluster.routing.fleet import REPORT_LIFETIME_S, Fleet


def fleet_of(*names: str) -> Fleet:
    fleet = Fleet(slow_start_s=30.0)
    fleet.update(names, 0.0)
    return fleet


def loads(fleet: Fleet, now_s: float = 0.0) -> dict[str, float]:
    return {seat.replica_id: seat.load for seat in fleet.refresh(now_s)}


def test_what_is_sent_after_a_report_counts_on_top_of_it() -> None:
    fleet = fleet_of("a", "b")
    fleet.sent("a")
    fleet.reported("a", 5, 0.0)
    assert loads(fleet)["a"] == 5
    fleet.sent("a")
    assert loads(fleet)["a"] == 6
    fleet.ended("a")
    fleet.ended("a")
    assert loads(fleet) == {"a": 4, "b": 0}


def test_an_old_report_is_believed_no_more() -> None:
    fleet = fleet_of("a")
    fleet.sent("a")
    fleet.reported("a", 5, 0.0)
    assert loads(fleet, REPORT_LIFETIME_S - 1.0)["a"] == 5
    assert loads(fleet, REPORT_LIFETIME_S + 1.1)["a"] == 1


def test_a_report_that_is_behind_does_not_hide_what_was_sent() -> None:
    fleet = fleet_of("a")
    for _ in range(3):
        fleet.sent("a")
    fleet.reported("a", 1, 0.0)
    assert loads(fleet)["a"] == 3


def test_seats_are_the_same_tuple_until_members_or_weights_change() -> None:
    fleet = fleet_of("a", "b")
    seats = fleet.refresh(100.0)
    fleet.sent("a")
    fleet.update(["a", "b"], 101.0)
    assert fleet.refresh(102.0) is seats
    fleet.drain("a")
    drained = fleet.refresh(103.0)
    assert drained is not seats
    assert [seat.weight for seat in drained] == [0.0, 1.0]
    assert fleet.update(["a", "b", "c"], 104.0) == []
    warming = fleet.refresh(105.0)
    assert 0.0 < warming[2].weight < 1.0
    assert fleet.refresh(120.0) is not warming
    fleet.remove("b")
    assert [seat.replica_id for seat in fleet.seats] == ["a", "c"]
