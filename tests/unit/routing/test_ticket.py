from __future__ import annotations

import pickle

from cluster.routing.ticket import Affinity, RouteTicket


def test_a_ticket_travels_without_its_chain() -> None:
    ticket = RouteTicket(
        anchor=b"a" * 16,
        chain=tuple(bytes([n] * 16) for n in range(200)),
        prompt_bytes=600_000,
        excluded=frozenset({"r1"}),
        replica_id="r2",
        rank=1,
        affinity=Affinity.SPILLED,
        home_order=tuple(f"replica-{n}" for n in range(64)),
    )
    sent = pickle.dumps(ticket)
    assert len(sent) < 200
    arrived = pickle.loads(sent)
    assert (arrived.anchor, arrived.prompt_bytes, arrived.chain, arrived.home_order) == (b"a" * 16, 600_000, (), ())
