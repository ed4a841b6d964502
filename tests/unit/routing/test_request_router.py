"""The Ray Serve router against stand-ins for running replicas; ``tests/integration/routing`` runs it in a real Serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, RequestMetadata
from ray.serve.request_router import PendingRequest, ReplicaID

from cluster.inference.request_router import PrefixRouter
from cluster.relay.loads import PROCESS_LOADS
from cluster.routing.pending import LoadReport
from cluster.routing.policies.priced_affinity import PricedAffinity
from cluster.routing.ticket import Affinity, Answer, RouteTicket

DEPLOYMENT = DeploymentID(name="engine", app_name="app")


class RunningReplicaStub:
    """What a router sees of a replica; it says that it is idle when it is asked."""

    def __init__(self, name: str, max_ongoing_requests: int = 100) -> None:
        self.replica_id = ReplicaID(unique_id=name, deployment_id=DEPLOYMENT)
        self.max_ongoing_requests = max_ongoing_requests
        self.routing_stats: Mapping[str, object] = {}

    async def get_queue_len(self, *, deadline_s: float) -> int:
        return 0


class SteadyClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def make_router(*names: str, clock: SteadyClock | None = None, **settings: float) -> PrefixRouter:
    router = PrefixRouter(
        deployment_id=DEPLOYMENT,
        handle_source=DeploymentHandleSource.REPLICA,
        self_actor_id="gateway",
        use_replica_queue_len_cache=True,
    )
    if clock is not None:
        router.clock = clock
    router.initialize_state(**settings)
    if names:
        router.update_replicas([RunningReplicaStub(name) for name in names])
    return router


def pending(ticket: RouteTicket | None = None, **kwargs: Any) -> PendingRequest:
    metadata = RequestMetadata(request_id="r", internal_request_id="i")
    return PendingRequest(args=[], kwargs={"ticket": ticket, **kwargs} if ticket else kwargs, metadata=metadata)


async def order_of(router: PrefixRouter, request: PendingRequest) -> list[str]:
    ranks = await router.choose_replicas(list(router.curr_replicas.values()), request)
    assert all(len(rank) == 1 for rank in ranks)
    return [rank[0].replica_id.unique_id for rank in ranks]


def replica_id(name: str) -> ReplicaID:
    return ReplicaID(unique_id=name, deployment_id=DEPLOYMENT)


NAMES = ("a", "b", "c", "d")


async def test_every_replica_has_a_rank_of_its_own_and_waiting_backs_off() -> None:
    request = pending(RouteTicket(anchor=b"x" * 16))
    assert sorted(await order_of(make_router(*NAMES), request)) == sorted(NAMES)
    assert request.routing_context.should_backoff


async def test_two_handles_agree_on_the_order() -> None:
    one, other = make_router(*NAMES), make_router(*reversed(NAMES))
    for number in range(50):
        anchor = number.to_bytes(16, "big")
        assert await order_of(one, pending(RouteTicket(anchor=anchor))) == await order_of(
            other, pending(RouteTicket(anchor=anchor))
        )


async def test_the_ticket_learns_where_its_request_went() -> None:
    router = make_router(*NAMES)
    ticket = RouteTicket(anchor=b"x" * 16)
    order = await order_of(router, pending(ticket))
    router.on_request_routed(pending(ticket), replica_id(order[0]), None)
    assert (ticket.replica_id, ticket.rank, ticket.affinity) == (order[0], 0, Affinity.HOME)
    assert 0.0 < ticket.decision_s < 1.0
    router.on_request_routed(pending(ticket), replica_id(order[2]), None)
    assert (ticket.replica_id, ticket.rank, ticket.affinity) == (order[2], 2, Affinity.SPILLED)


async def test_without_an_anchor_there_is_no_rank() -> None:
    router = make_router(*NAMES)
    ticket = RouteTicket()
    order = await order_of(router, pending(ticket))
    router.on_request_routed(pending(ticket), replica_id(order[0]), None)
    assert (ticket.replica_id, ticket.rank, ticket.affinity) == (order[0], None, Affinity.NONE)


async def test_calls_without_a_ticket_go_by_least_load() -> None:
    router = make_router(*NAMES)
    for name in ("a", "b", "c"):
        router.on_send_request(replica_id(name))
    assert (await order_of(router, pending()))[0] == "d"
    assert (await order_of(router, pending(ticket=None, other=1)))[0] == "d"
    assert len(await router.choose_replicas(list(router.curr_replicas.values()), None)) == 4


async def test_excluded_replicas_are_left_out_while_there_are_others() -> None:
    router = make_router(*NAMES)
    order = await order_of(router, pending(RouteTicket(anchor=b"x" * 16)))
    again = RouteTicket(anchor=b"x" * 16, excluded=frozenset(order[:1]))
    assert await order_of(router, pending(again)) == order[1:]
    router.on_request_routed(pending(again), replica_id(order[1]), None)
    assert (again.rank, again.affinity) == (1, Affinity.SPILLED)
    everyone = await order_of(router, pending(RouteTicket(anchor=b"x" * 16, excluded=frozenset(NAMES))))
    assert sorted(everyone) == sorted(NAMES)


async def test_a_home_over_its_bound_is_spilled_from_and_returned_to() -> None:
    router = make_router(*NAMES)
    anchor = b"x" * 16
    order = await order_of(router, pending(RouteTicket(anchor=anchor)))
    for _ in range(3):
        router.on_send_request(replica_id(order[0]))
    assert await order_of(router, pending(RouteTicket(anchor=anchor))) == [*order[1:], order[0]]
    for _ in range(3):
        router.decrement_queue_len_cache(replica_id(order[0]))
        router.on_request_completed(replica_id(order[0]), "i")
    assert await order_of(router, pending(RouteTicket(anchor=anchor))) == order


async def test_load_that_other_gateways_put_on_a_replica_counts() -> None:
    router = make_router(*NAMES)
    anchor = b"x" * 16
    order = await order_of(router, pending(RouteTicket(anchor=anchor)))
    router.on_new_queue_len_info(replica_id(order[0]), 20)
    assert (await order_of(router, pending(RouteTicket(anchor=anchor))))[-1] == order[0]


async def test_own_requests_count_even_when_serve_has_forgotten_the_queue() -> None:
    router = make_router(*NAMES)
    anchor = b"x" * 16
    order = await order_of(router, pending(RouteTicket(anchor=anchor)))
    for _ in range(3):
        router.on_send_request(replica_id(order[0]))
    router.replica_queue_len_cache.invalidate_key(replica_id(order[0]))
    assert (await order_of(router, pending(RouteTicket(anchor=anchor))))[-1] == order[0]


async def test_ends_of_requests_that_were_never_sent_do_not_make_load_negative() -> None:
    router = make_router(*NAMES)
    router.on_request_completed(replica_id("a"), "i")
    router.on_request_completed(replica_id("gone"), "i")
    for name in ("a", "b", "c"):
        router.on_send_request(replica_id(name))
        router.replica_queue_len_cache.invalidate_key(replica_id(name))
    assert (await order_of(router, pending()))[0] == "d"


async def test_a_replica_that_joins_later_takes_over_anchors_bit_by_bit() -> None:
    clock = SteadyClock()
    router = make_router("a", "b", "c", clock=clock, slow_start_s=30.0)
    clock.now_s += 100.0
    router.update_replicas([*router.curr_replicas.values(), RunningReplicaStub("new")])

    async def homes_on_new() -> int:
        anchors = [number.to_bytes(16, "big") for number in range(1000)]
        return sum([(await order_of(router, pending(RouteTicket(anchor=anchor))))[0] == "new" for anchor in anchors])

    shares = []
    for _ in range(3):
        shares.append(await homes_on_new())
        clock.now_s += 15.0
    assert shares[0] == pytest.approx(1000 * 0.2 / 3.2, rel=0.3)
    assert shares[1] == pytest.approx(1000 * 0.6 / 3.6, rel=0.2)
    assert shares[2] == pytest.approx(250, rel=0.15)


async def test_a_replica_reaches_its_full_share_though_nothing_was_routed_meanwhile() -> None:
    clock = SteadyClock()
    router = make_router("a", clock=clock, slow_start_s=30.0)
    for _ in range(3):
        clock.now_s += 100.0
        router.update_replicas([RunningReplicaStub("a"), RunningReplicaStub("b")])
    anchors = [number.to_bytes(16, "big") for number in range(1000)]
    on_b = sum([(await order_of(router, pending(RouteTicket(anchor=anchor))))[0] == "b" for anchor in anchors])
    assert on_b == pytest.approx(500, rel=0.15)


async def test_replicas_that_come_up_with_the_cluster_have_their_full_share_at_once() -> None:
    clock = SteadyClock()
    router = make_router("a", clock=clock, slow_start_s=30.0)
    clock.now_s += 5.0
    router.update_replicas([*router.curr_replicas.values(), RunningReplicaStub("b")])
    anchors = [number.to_bytes(16, "big") for number in range(1000)]
    on_b = sum([(await order_of(router, pending(RouteTicket(anchor=anchor))))[0] == "b" for anchor in anchors])
    assert on_b == pytest.approx(500, rel=0.15)


async def test_a_replica_that_is_gone_is_no_longer_chosen() -> None:
    router = make_router(*NAMES)
    router.on_replica_actor_died(replica_id("a"))
    assert sorted(await order_of(router, pending(RouteTicket(anchor=b"x" * 16)))) == ["b", "c", "d"]
    router.update_replicas([RunningReplicaStub("b"), RunningReplicaStub("c")])
    assert sorted(await order_of(router, pending(RouteTicket(anchor=b"x" * 16)))) == ["b", "c"]


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="load_fcator"):
        make_router(load_fcator=1.5)


def chain(*blocks: int) -> tuple[bytes, ...]:
    return tuple(bytes([block]) * 16 for block in blocks)


def long_ticket(*blocks: int) -> RouteTicket:
    return RouteTicket(anchor=chain(*blocks)[0], chain=chain(*blocks), prompt_bytes=512 * len(blocks), org="org")


async def test_answers_reach_the_policy_through_the_ticket() -> None:
    router = make_router(*NAMES)
    ticket = long_ticket(1, 2, 3)
    order = await order_of(router, pending(ticket))
    router.on_request_routed(pending(ticket), replica_id(order[2]), None)
    assert ticket.estimate is not None
    assert ticket.estimate.cached_tokens == 0
    ticket.first_token()
    ticket.finished(Answer(prompt_tokens=400, cached_tokens=0, queue_s=0.0, prefill_s=0.1))
    again = long_ticket(1, 2, 3)
    assert (await order_of(router, pending(again)))[0] == order[2]
    router.on_request_routed(pending(again), replica_id(order[2]), None)
    assert again.estimate is not None
    assert again.estimate.cached_tokens > 300
    assert again.affinity is Affinity.KNOWN


def stats(number: int, *, ongoing: int = 0, pending_tokens: float = 0.0, marks: tuple[bytes, ...] = ()) -> dict[str, object]:
    """What Ray Serve carries from a replica."""
    return {"number": number, "ongoing": ongoing, "pending_tokens": pending_tokens, "given_tokens": 0, "marks": marks}


async def test_a_prompt_that_another_gateway_sent_is_found_by_what_its_replica_tells() -> None:
    router = make_router(*NAMES)
    first = long_ticket(*range(20))
    home = (await order_of(router, pending(first)))[0]
    other = next(name for name in NAMES if name != home)
    stub = RunningReplicaStub(other)
    stub.routing_stats = stats(1, marks=first.marks)
    router.update_replicas([stub, *[RunningReplicaStub(name) for name in NAMES if name != other]])
    assert (await order_of(router, pending(long_ticket(*range(25)))))[0] == other


async def test_work_that_other_gateways_sent_is_waited_for() -> None:
    router = make_router(*NAMES)
    home = (await order_of(router, pending(long_ticket(1, 2, 3))))[0]
    stub = RunningReplicaStub(home)
    stub.routing_stats = stats(1, pending_tokens=100_000.0)
    router.update_replicas([stub, *[RunningReplicaStub(name) for name in NAMES if name != home]])
    assert (await order_of(router, pending(long_ticket(1, 2, 3))))[0] != home


async def test_what_a_replica_tells_over_its_channel_counts_at_once() -> None:
    router = make_router(*NAMES)
    first = long_ticket(*range(20))
    order = await order_of(router, pending(first))
    PROCESS_LOADS.told(order[2], LoadReport(1, 1, 0.0, 0, first.marks))
    PROCESS_LOADS.told("a replica of another model", LoadReport(1, 1, 0.0, 0, first.marks))
    assert (await order_of(router, pending(long_ticket(*range(25)))))[0] == order[2]
    PROCESS_LOADS.told(order[2], LoadReport(2, 1, 1_000_000.0))
    assert (await order_of(router, pending(long_ticket(*range(25)))))[0] != order[2]


async def test_what_ray_serve_carries_late_does_not_replace_what_came_over_the_channel() -> None:
    router = make_router(*NAMES)
    for name in ("a", "b", "c"):
        PROCESS_LOADS.told(name, LoadReport(7, 5, 0.0))
    stubs = {name: RunningReplicaStub(name) for name in NAMES}
    stubs["a"].routing_stats = stats(6, ongoing=0)
    stubs["b"].routing_stats = stats(7, ongoing=0)
    stubs["d"].routing_stats = stats(1, ongoing=9)
    router.update_replicas(list(stubs.values()))
    assert {seat.replica_id: seat.load for seat in router._fleet.seats} == {"a": 5, "b": 5, "c": 5, "d": 9}
    stubs["c"].routing_stats = stats(8, ongoing=1)
    router.update_replicas(list(stubs.values()))
    assert (await order_of(router, pending()))[0] == "c"


async def test_a_request_given_up_before_it_was_accepted_leaves_nothing_behind() -> None:
    router = make_router(*NAMES)
    ticket = long_ticket(1, 2, 3)
    order = await order_of(router, pending(ticket))
    ticket.finished(None)
    router.on_request_routed(pending(ticket), replica_id(order[0]), None)
    assert ticket.feedback is None
    assert ticket.estimate is None


async def test_an_acceptance_that_comes_after_its_replica_has_gone_leaves_nothing_behind() -> None:
    """As when a replica begins to drain: it still took what was on its way, and nobody will say again that it is gone."""
    router = make_router(*NAMES)
    ticket = long_ticket(1, 2, 3)
    order = await order_of(router, pending(ticket))
    router.update_replicas([RunningReplicaStub(name) for name in NAMES if name != order[0]])
    router.on_request_routed(pending(ticket), replica_id(order[0]), None)
    assert ticket.replica_id == order[0]
    ticket.first_token()
    ticket.finished(Answer(prompt_tokens=512, cached_tokens=0, completion_tokens=1))
    policy = router._policy
    assert isinstance(policy, PricedAffinity)
    assert order[0] not in policy._backlogs
    assert policy.index_entries == 0
