from __future__ import annotations

import pickle

from cluster.routing.ticket import Affinity, Answer, ArrivedTicket, RouteTicket


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
    assert len(sent) < 300
    arrived = pickle.loads(sent)
    assert isinstance(arrived, ArrivedTicket)
    assert arrived.uncached_tokens == 0
    assert set(arrived.marks) == {bytes([depth - 1] * 16) for depth in (1, 2, 4, 8, 16, 32, 64, 200)}


def test_a_ticket_without_an_anchor_leaves_no_marks() -> None:
    assert pickle.loads(pickle.dumps(RouteTicket(chain=(b"c" * 16,)))).marks == ()


class RecordingFeedback:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def first_token(self, ticket: RouteTicket) -> None:
        self.calls.append("first token")

    def finished(self, ticket: RouteTicket, answer: Answer | None) -> None:
        self.calls.append(answer)


def test_the_end_of_a_request_is_told_once() -> None:
    feedback = RecordingFeedback()
    ticket = RouteTicket(feedback=feedback)
    ticket.first_token()
    ticket.finished(Answer(prompt_tokens=10, cached_tokens=3))
    ticket.finished(None)
    assert feedback.calls == ["first token", Answer(prompt_tokens=10, cached_tokens=3)]
