"""The router's choice, and what errors of Serve mean. The calls themselves need a Ray cluster."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

from cluster.errors import Overloaded
from cluster.speech.errors import SpeechFailed
from cluster.speech.serve_calls import SpeechRouter, _translated
from cluster.speech.serve_ticket import SpeechTicket


def replica(name: str) -> Any:
    return SimpleNamespace(replica_id=SimpleNamespace(unique_id=name))


def pending(ticket: SpeechTicket | None) -> Any:
    return SimpleNamespace(kwargs={"ticket": ticket} if ticket else {}, routing_context=SimpleNamespace(should_backoff=False))


ONE, TWO = replica("one"), replica("two")
ROUTER = SpeechRouter.__new__(SpeechRouter)


async def chosen(ticket: SpeechTicket | None) -> list[list[Any]]:
    ranks: list[list[Any]] = await ROUTER.choose_replicas([ONE, TWO], pending(ticket))
    return ranks


async def test_a_first_call_may_go_to_any_replica_and_learns_which_it_was() -> None:
    ticket = SpeechTicket()
    assert await chosen(ticket) == [[ONE, TWO]]
    ROUTER.on_request_routed(pending(ticket), TWO.replica_id, None)
    assert ticket.replica_id == "two"


async def test_later_calls_of_an_utterance_go_where_it_lives() -> None:
    assert await chosen(SpeechTicket("two")) == [[TWO]]


async def test_when_that_replica_is_gone_another_one_may_say_so() -> None:
    assert await chosen(SpeechTicket("three")) == [[ONE, TWO]]


async def test_calls_without_a_ticket_are_routed_too() -> None:
    assert await chosen(None) == [[ONE, TWO]]
    assert await ROUTER.choose_replicas([ONE, TWO]) == [[ONE, TWO]]
    ROUTER.on_request_routed(pending(None), ONE.replica_id, None)


async def test_a_call_that_found_no_room_backs_off() -> None:
    call = pending(SpeechTicket())
    await ROUTER.choose_replicas([ONE], call)
    assert call.routing_context.should_backoff


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BackPressureError(num_queued_requests=9, max_queued_requests=9), Overloaded),
        (DeploymentUnavailableError("speech"), Overloaded),
        (RayActorError(), SpeechFailed),
        (RayServeException("lost"), SpeechFailed),
        (asyncio.CancelledError(), SpeechFailed),
        (ValueError("a defect there"), SpeechFailed),
    ],
)
def test_what_serve_raises_reaches_a_caller_as_ours(error: BaseException, kind: type[Exception]) -> None:
    translated = _translated(error)
    assert type(translated) is kind
    assert "defect" not in translated.message
