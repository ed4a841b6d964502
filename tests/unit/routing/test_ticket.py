from __future__ import annotations

import pickle
from itertools import pairwise

from cluster.routing.ticket import NEW_MARKS, Affinity, Answer, ArrivedTicket, RouteTicket


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
    assert len(sent) < 800
    arrived = pickle.loads(sent)
    assert isinstance(arrived, ArrivedTicket)
    assert arrived.uncached_tokens == 0
    assert {bytes([depth - 1] * 16) for depth in (1, 2, 4, 8, 16, 32, 64, 128, 200)} <= set(arrived.marks)
    assert len(arrived.marks) <= 8 + NEW_MARKS


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


def test_a_new_part_of_a_prompt_is_marked_all_along_and_the_known_part_only_here_and_there() -> None:
    chain = tuple(number.to_bytes(16, "big") for number in range(1, 129))
    depths = [int.from_bytes(mark, "big") for mark in RouteTicket(chain=chain, known_blocks=96).marks]
    assert {1, 2, 4, 8, 16, 32, 64, 128} <= set(depths)
    new = [depth for depth in depths if depth > 96]
    assert len(new) <= NEW_MARKS
    assert max(later - earlier for earlier, later in pairwise([96, *new])) <= 2
    assert len([depth for depth in depths if depth <= 96]) == 7


def test_of_an_answer_that_comes_whole_a_replica_gets_no_tokens_to_wait_for() -> None:
    assert pickle.loads(pickle.dumps(RouteTicket(uncached_tokens=500))).uncached_tokens == 500
    assert pickle.loads(pickle.dumps(RouteTicket(uncached_tokens=500, streamed=False))).uncached_tokens == 0
