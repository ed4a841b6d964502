"""What both relays have to do, on a real Ray Serve with engines that follow scripts."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import ray
from ray.serve._private.common import RequestMetadata

from cluster.engine.contract import EngineTiming, EngineUsage, Fault, FaultKind
from cluster.relay.channel.handshake import ChannelKey
from tests.integration.relay.cluster import CALLS, HANDLE, MAX_BUFFERED_BYTES, NARROW, NARROW_LIMIT, WIDE, FakeGateway, Read
from tests.integration.relay.fake_engine import Script, payload

pytestmark = pytest.mark.integration

TIMEOUT_S = 60
ENDLESS = 1_000_000


def get(reference: Any) -> Any:
    return ray.get(reference, timeout=TIMEOUT_S)


def name() -> str:
    return f"chatcmpl-{uuid4().hex}"


def replicas(model: str = WIDE) -> list[dict[str, Any]]:
    """What every replica of a model says of itself."""
    actors = [
        ray.get_actor(entry["name"], namespace=entry["namespace"])
        for entry in ray.util.list_named_actors(all_namespaces=True)
        if f"#{model}#" in entry["name"]
    ]
    states = []
    for actor in actors:
        metadata = _metadata("state")
        try:
            states.append(get(actor.handle_request.remote(metadata)))
        except ray.exceptions.RayError:  # killed, or not up yet
            continue
    return states


def _metadata(method: str) -> bytes:
    return pickle.dumps(RequestMetadata(request_id=uuid4().hex, internal_request_id=uuid4().hex, call_method=method))


def holder(request_id: str, model: str = WIDE) -> dict[str, Any]:
    """The replica that works on a request."""
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        for state in replicas(model):
            if request_id in state["running"]:
                return state
        time.sleep(0.02)
    raise AssertionError(f"no replica works on {request_id}")


def aborted_at_s(request_id: str, model: str = WIDE, within_s: float = 10.0) -> float:
    """When a replica aborted a request, in Unix seconds."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        for state in replicas(model):
            if request_id in state["aborted_at_s"]:
                at_s: float = state["aborted_at_s"][request_id]
                return at_s
        time.sleep(0.02)
    raise AssertionError(f"{request_id} was not aborted")


def test_every_payload_arrives_in_order_and_the_last_frame_has_the_usage(gateway: Any) -> None:
    read: Read = get(gateway.answer.remote(name(), script := Script(tokens=200, step_s=0.002)))
    assert read.error is None
    assert read.content == [payload(number, 0) for number in range(200)]
    assert read.last is not None
    assert read.last.usage == EngineUsage(len(msgspec.json.encode(script)), completion_tokens=200, cached_tokens=1)
    assert read.last.timing == EngineTiming(queue_s=0.25, prefill_s=0.5)
    assert read.last.fault is None


def test_the_first_frame_does_not_wait_for_the_second(gateway: Any) -> None:
    get(gateway.answer.remote(name(), Script()))  # the way is open
    get(gateway.open.remote(request := name(), Script(tokens=2, step_s=5.0)))
    read: Read = get(gateway.read.remote(request, 1))
    assert read.content == [payload(0, 0)]
    assert read.at_s[0] < 2.0
    get(gateway.cancel.remote(request))


def test_a_reader_that_keeps_up_gets_frame_by_frame(gateway: Any) -> None:
    read: Read = get(gateway.answer.remote(name(), Script(tokens=10, step_s=0.1)))
    assert [len(payloads) for payloads in read.payloads[:10]] == [1] * 10


def test_a_reader_that_was_away_gets_what_has_piled_up_at_once(gateway: Any, implementation: str) -> None:
    get(gateway.open.remote(request := name(), Script(tokens=100, step_s=0.01)))
    first: Read = get(gateway.read.remote(request, 1))
    time.sleep(3.0)
    rest: Read = get(gateway.read.remote(request))
    assert first.content + rest.content == [payload(number, 0) for number in range(100)]
    # Over a handle small items are on their way already, each with what had piled up when it was sent.
    if implementation != HANDLE:
        assert len(rest.payloads) == 1


def test_a_slow_reader_holds_its_own_generation_and_nobody_elses(gateway: Any, implementation: str) -> None:
    size, total = 16 << 10, 4000
    get(gateway.open.remote(slow := name(), Script(tokens=total, step_s=0, payload_bytes=size), anchor=b"a" * 16))
    first: Read = get(gateway.read.remote(slow, 1))
    time.sleep(1.0)
    other: Read = get(gateway.answer.remote(name(), Script(tokens=50, step_s=0.01)))
    assert len(other.content) == 50
    produced = holder(slow)["produced_bytes"][slow]
    time.sleep(0.5)
    assert holder(slow)["produced_bytes"][slow] == produced, "it goes on"
    read_bytes = size * len(first.content)
    # What waits at the gateway and one frame that has no room; over a handle, what Serve and HTTP/2 hold on the way as well.
    bound = MAX_BUFFERED_BYTES + 2 * size if implementation != HANDLE else 12 << 20
    assert produced - read_bytes <= bound <= size * total / 4
    rest: Read = get(gateway.read.remote(slow))
    assert first.content + rest.content == [payload(number, size) for number in range(total)]


def test_cancelling_aborts_the_generation_within_a_step(gateway: Any) -> None:
    step_s = 0.25
    get(gateway.open.remote(request := name(), Script(tokens=ENDLESS, step_s=step_s)))
    get(gateway.read.remote(request, 2))
    cancelled_at_s = get(gateway.cancel.remote(request))
    assert aborted_at_s(request) - cancelled_at_s < step_s


def test_cancelling_before_the_first_frame_aborts_as_well(gateway: Any) -> None:
    get(gateway.open.remote(request := name(), Script(hang_at=0)))
    holder(request)
    get(gateway.cancel.remote(request))
    aborted_at_s(request)


def test_cancelling_in_the_turn_of_opening_leaves_no_work(gateway: Any) -> None:
    requests = [name() for _ in range(20)]
    for request in requests:
        get(gateway.open_and_cancel.remote(request, Script(tokens=ENDLESS, step_s=0.05)))
    deadline_s = time.monotonic() + 5
    while running := [request for state in replicas() for request in state["running"] if request in requests]:
        assert time.monotonic() < deadline_s, f"{len(running)} of them go on"
        time.sleep(0.05)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fault_arrives_with_its_kind_after_the_frames_before_it(gateway: Any, kind: FaultKind) -> None:
    read: Read = get(gateway.answer.remote(name(), Script(tokens=2, fault=kind)))
    assert read.content == [payload(0, 0), payload(1, 0)]
    assert read.last is not None
    assert read.last.fault == Fault(kind, "as asked", param="messages", code="scripted")


def test_an_exception_of_the_engine_is_a_lost_replica_without_its_text(gateway: Any) -> None:
    read: Read = get(gateway.answer.remote(name(), Script(tokens=2, raises=True)))
    assert read.last is None
    assert read.error is not None
    assert read.error.startswith("ReplicaLost")
    assert "a defect" not in read.error


def test_a_prompt_of_600_kilobytes_arrives_whole(gateway: Any) -> None:
    script = Script(padding="x" * 600_000)
    read: Read = get(gateway.answer.remote(request := name(), script))
    assert read.error is None
    digests = [state["bodies"][request] for state in replicas() if request in state["bodies"]]
    assert digests == [hashlib.sha256(msgspec.json.encode(script)).hexdigest()]


def test_64_streams_at_once_get_their_own_answers(gateway: Any) -> None:
    scripts = {name(): Script(tokens=20 + number, step_s=0.02) for number in range(64)}
    reads: dict[str, Read] = get(gateway.answer_all.remote(scripts))
    for request, script in scripts.items():
        assert reads[request].error is None
        assert reads[request].content == [payload(number, 0) for number in range(script.tokens)]
        assert reads[request].last is not None


def test_serve_counts_a_request_until_its_end(gateway: Any) -> None:
    """The limit of a replica holds: the next request starts when one of those before it is over."""
    running = [name() for _ in range(NARROW_LIMIT)]
    for request in running:
        get(gateway.open.remote(request, Script(tokens=ENDLESS, step_s=0.05), NARROW))
        get(gateway.read.remote(request, 1))
    get(gateway.open.remote(waiting := name(), Script(), NARROW))
    reading = gateway.read.remote(waiting)
    ready, _ = ray.wait([reading], timeout=1.5)
    assert ready == []
    get(gateway.cancel.remote(running[0]))
    read: Read = get(reading)
    assert read.last is not None
    get(gateway.cancel.remote(running[1]))


def test_the_ticket_says_who_answers_once_the_first_frame_is_there(gateway: Any) -> None:
    for _ in range(10):
        get(gateway.open.remote(request := name(), Script(tokens=ENDLESS, step_s=0.05)))
        get(gateway.read.remote(request, 1))
        assert get(gateway.answering_replica.remote(request)) == holder(request)["replica_id"]
        get(gateway.cancel.remote(request))


def test_a_replica_that_is_killed_after_its_first_frame_ends_the_stream(gateway: Any) -> None:
    get(gateway.open.remote(request := name(), Script(tokens=ENDLESS, step_s=0.02)))
    get(gateway.read.remote(request, 3))
    os.kill(holder(request)["pid"], signal.SIGKILL)
    killed_s = time.monotonic()
    read: Read = get(gateway.read.remote(request))
    assert time.monotonic() - killed_s < 5.0
    assert read.error is not None
    assert read.error.startswith("ReplicaLost")
    wait_for_replicas()


def test_a_replica_that_is_killed_before_its_first_frame_is_replaced_by_the_next(gateway: Any) -> None:
    request, anchor = name(), uuid4().bytes
    answer = gateway.first_frame_with_retry.remote(request, Script(tokens=1, hang_at=0), anchor)
    victim = holder(request)
    os.kill(victim["pid"], signal.SIGKILL)
    second = holder(request)  # hangs there as well; what matters is that it arrived
    assert second["replica_id"] != victim["replica_id"]
    ray.cancel(answer)
    aborted_at_s(request)
    wait_for_replicas()


def test_the_death_of_a_gateway_leaves_no_work_behind(implementation: str, engines: None) -> None:
    doomed = FakeGateway.remote(implementation)
    requests = [name() for _ in range(8)]
    for request in requests:
        get(doomed.open.remote(request, Script(tokens=ENDLESS, step_s=0.05)))
        get(doomed.read.remote(request, 1))
    before = sum(state["channels"] for state in replicas())
    ray.kill(doomed)
    killed_at_s = time.time()
    assert all(aborted_at_s(request) - killed_at_s < 2.0 for request in requests)
    assert not {request for state in replicas() for request in state["running"]} & set(requests)
    if implementation != HANDLE:
        assert sum(state["channels"] for state in replicas()) < before


# --- the channel alone ----------------------------------------------------------------------------------------------------


def test_a_prompt_beyond_serves_limit_of_a_call_takes_the_channel(gateway_of: Callable[[str], Any]) -> None:
    script = Script(padding="y" * (20 << 20))
    read: Read = get(gateway_of(CALLS).answer.remote(request := name(), script))
    assert read.error is None
    digests = [state["bodies"][request] for state in replicas() if request in state["bodies"]]
    assert digests == [hashlib.sha256(msgspec.json.encode(script)).hexdigest()]


def test_a_gateway_with_another_key_gets_no_answer(engines: None) -> None:
    stranger = FakeGateway.remote(CALLS, ChannelKey.of(b"the secret of quite another cluster"))
    read: Read = get(stranger.answer.remote(name(), Script()))
    assert read.payloads == []
    assert read.error is not None
    assert read.error.startswith("ReplicaLost")
    ray.kill(stranger)


def test_once_a_channel_is_up_requests_take_it_and_serve_counts_them_as_its_own(gateway_of: Callable[[str], Any]) -> None:
    gateway = gateway_of(CALLS)
    get(gateway.answer_all.remote({name(): Script(tokens=20, step_s=0.02) for _ in range(32)}))  # every replica has dialled
    requests = [name() for _ in range(6)]
    for request in requests:
        get(gateway.open.remote(request, Script(tokens=ENDLESS, step_s=0.05)))
        get(gateway.read.remote(request, 1))
    assert get(gateway.handle_calls.remote()) == 0
    assert sum(state["ongoing"] for state in replicas()) == len(requests)
    for request in requests:
        get(gateway.cancel.remote(request))
    deadline_s = time.monotonic() + 5
    while any(state["ongoing"] for state in replicas()):
        assert time.monotonic() < deadline_s, "Serve counts requests that are over"


def test_a_request_that_a_full_replica_declines_waits_its_turn_at_the_handle(gateway_of: Callable[[str], Any]) -> None:
    gateway, other = gateway_of(CALLS), FakeGateway.remote(CALLS)
    for each in (gateway, other):
        get(each.answer.remote(name(), Script(), NARROW))
    running = [name() for _ in range(NARROW_LIMIT)]
    for request in running:
        get(other.open.remote(request, Script(tokens=ENDLESS, step_s=0.05), NARROW))
        get(other.read.remote(request, 1))
    # This gateway has nothing there and knows of nothing: it asks, and is told.
    get(gateway.open.remote(waiting := name(), Script(), NARROW))
    reading = gateway.read.remote(waiting)
    ready, _ = ray.wait([reading], timeout=1.0)
    assert ready == []
    assert get(gateway.handle_calls.remote()) == 1
    get(other.cancel.remote(running[0]))
    assert get(reading).last is not None
    ray.kill(other)


def test_streams_share_messages_and_are_forgotten_after_their_end(engines: None) -> None:
    gateway = FakeGateway.remote(CALLS)
    get(gateway.answer_all.remote({name(): Script(tokens=200, step_s=0.02) for _ in range(32)}))
    traffic = get(gateway.traffic.remote())
    assert traffic.received_frames > 4 * traffic.received_messages > 0
    assert get(gateway.awaited.remote()) == 0
    ray.kill(gateway)


def wait_for_replicas(count: int = 2) -> None:
    """Until those that were killed are replaced."""
    deadline_s = time.monotonic() + 30
    while len(replicas()) < count:
        assert time.monotonic() < deadline_s, "a replica was not replaced"
        time.sleep(0.2)
