from __future__ import annotations

from cluster.inference.route_reasons import explain
from cluster.routing.ticket import Affinity, RouteEstimate, RouteTicket


def test_callers_see_the_affinity_and_admins_the_reasons() -> None:
    ticket = RouteTicket(
        replica_id="r7",
        rank=2,
        affinity=Affinity.KNOWN,
        decision_s=0.00005,
        estimate=RouteEstimate(9000, 8000, 8000, 12.4, 30.0, 31.5, 3.0, forced_off=False, home=False),
    )
    assert explain(ticket, reasons=False) == "affinity=known rank=2"
    assert explain(ticket, reasons=True) == (
        "affinity=known rank=2 replica=r7 prompt=9000 cached=8000 best=8000 age=12 wait=30.0 prefill=31.5 load=3 "
        "forced_off=no decision=50"
    )


def test_a_request_without_an_anchor_has_no_rank() -> None:
    assert explain(RouteTicket(), reasons=False) == "affinity=none"
