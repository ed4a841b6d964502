"""The life of a stream at the gateway, in any order of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.engine.contract import EngineUsage, Frame
from cluster.errors import ClientTooSlow
from cluster.relay.channel.framing import ProtocolViolation
from cluster.relay.channel.inbox import FRAME_BYTES, Inbox
from cluster.relay.channel.waiting import WaitingBytes
from cluster.relay.contract import ReplicaLost

WINDOW_BYTES = 100
LAST = Frame(usage=EngineUsage(1, 2))


class Grants(list[int]):
    def __call__(self, size_bytes: int) -> None:
        self.append(size_bytes)


def new(window_bytes: int = WINDOW_BYTES, grant: Callable[[int], None] | None = None, waiting: WaitingBytes | None = None) -> Inbox:
    return Inbox(
        window_bytes,
        grant if grant is not None else Grants(),
        waiting if waiting is not None else WaitingBytes(1 << 30),
        "org",
        lambda: None,
    )


def accepted(window_bytes: int = WINDOW_BYTES, grants: Grants | None = None, waiting: WaitingBytes | None = None) -> Inbox:
    inbox = new(window_bytes, grants, waiting)
    inbox.accept()
    return inbox


async def test_nothing_is_read_before_the_replica_is_known() -> None:
    inbox = new()
    reader = asyncio.create_task(inbox.take())
    inbox.push([b"a"])
    await asyncio.sleep(0.01)
    assert not reader.done()
    inbox.accept()
    assert (await reader).payloads == [b"a"]


async def test_all_that_has_come_is_read_at_once() -> None:
    inbox = accepted()
    inbox.push([b"a"])
    inbox.push([b"b", b"c"])
    assert await inbox.take() == Frame(payloads=[b"a", b"b", b"c"])


async def test_the_last_frame_brings_the_rest() -> None:
    inbox = accepted()
    inbox.push([b"a"])
    inbox.end(LAST)
    assert await inbox.take() == Frame(payloads=[b"a"], usage=LAST.usage)
    assert inbox.over


async def test_a_loss_before_anything_was_read_raises_at_once_so_that_the_request_can_be_retried() -> None:
    inbox = accepted()
    inbox.push([b"a"])
    inbox.fail(ReplicaLost("gone"))
    with pytest.raises(ReplicaLost, match="gone"):
        await inbox.take()


async def test_a_loss_later_on_raises_after_what_came_before_it() -> None:
    inbox = accepted()
    inbox.push([b"a"])
    await inbox.take()
    inbox.push([b"b"])
    inbox.fail(ReplicaLost("gone"))
    assert (await inbox.take()).payloads == [b"b"]
    with pytest.raises(ReplicaLost, match="gone"):
        await inbox.take()


async def test_a_loss_after_the_end_is_none() -> None:
    inbox = accepted()
    inbox.end(LAST)
    inbox.fail(ReplicaLost("gone"))
    assert (await inbox.take()).usage == LAST.usage


async def test_a_loss_wakes_a_reader_even_before_the_replica_is_known() -> None:
    inbox = new()
    reader = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.fail(ReplicaLost("gone"))
    with pytest.raises(ReplicaLost):
        await reader


async def test_a_reader_wakes_once_for_all_that_comes_in_a_turn() -> None:
    inbox = accepted()
    wakes = 0

    async def read() -> None:
        nonlocal wakes
        while not (await inbox.take()).last:
            wakes += 1

    reader = asyncio.create_task(read())
    for turn in range(5):
        await asyncio.sleep(0)
        for number in range(3):
            inbox.push([b"%d" % number])
        await asyncio.sleep(0)
        assert wakes == turn + 1
    inbox.end(LAST)
    await reader


async def test_a_reader_that_gave_up_can_come_back() -> None:
    inbox = accepted()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await inbox.take()
    inbox.push([b"a"])
    assert (await inbox.take()).payloads == [b"a"]


async def test_a_frame_beyond_the_window_is_a_violation() -> None:
    inbox = accepted()
    inbox.push([bytes(WINDOW_BYTES)])
    with pytest.raises(ProtocolViolation):
        inbox.push([b"x"])


async def test_reading_a_short_answer_costs_no_grant() -> None:
    grants = Grants()
    inbox = accepted(grants=grants)
    for _ in range(4):
        inbox.push([bytes(10)])
        await inbox.take()
    assert grants == []
    inbox.push([bytes(10)])
    await inbox.take()
    assert grants == [50]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=60), st.integers(1, 200))
@settings(deadline=None)
def test_a_sender_that_keeps_to_its_window_loses_nothing_and_bounds_what_waits(
    actions: list[tuple[int, int]], window_bytes: int
) -> None:
    """Sends whenever it may, reads at random: all arrives in order, and at most a window and a frame wait."""

    async def run() -> None:
        credit = window_bytes

        def grant(size_bytes: int) -> None:
            nonlocal credit
            credit += size_bytes

        inbox = new(window_bytes, grant)
        inbox.accept()
        sent: list[bytes] = []
        received: list[bytes] = []
        waiting = 0
        for action, size in actions:
            if action and credit > 0:
                payload = bytes([len(sent) % 256]) * size
                inbox.push([payload])
                sent.append(payload)
                credit -= size
                waiting += 1
            elif not action and waiting:
                received += (await inbox.take()).payloads
                waiting = 0
            assert inbox.size_bytes <= window_bytes + 60
        inbox.end(LAST)
        received += (await inbox.take()).payloads
        assert received == sent

    asyncio.run(run())


@given(st.lists(st.sampled_from(["accept", "push", "end", "fail", "take"]), max_size=25))
@settings(deadline=None)
def test_any_order_of_events_ends_in_one_way_only(events: list[str]) -> None:
    """Never more than one end; what is read is a prefix of what was pushed before it; nothing after it."""

    async def run() -> None:
        inbox = new(1000)
        pushed: list[bytes] = []
        read: list[bytes] = []
        outcome: Frame | Exception | None = None
        for number, event in enumerate(events):
            over = inbox.over
            if event == "accept":
                inbox.accept()
            elif event == "push":
                inbox.push([b"%d" % number])
                if not over:
                    pushed.append(b"%d" % number)
            elif event == "end":
                inbox.end(LAST)
            elif event == "fail":
                inbox.fail(ReplicaLost(str(number)))
            elif outcome is None:
                try:
                    async with asyncio.timeout(0):
                        frame = await inbox.take()
                except TimeoutError:
                    continue
                except ReplicaLost as lost:
                    outcome = lost
                else:
                    read += frame.payloads
                    outcome = frame if frame.last else None
            assert inbox.over or not over
        assert read == pushed[: len(read)]
        if isinstance(outcome, Frame):
            assert read == pushed

    asyncio.run(run())


# --- waiting for all of a gateway's clients -------------------------------------------------------------------------------


async def test_what_waits_is_counted_until_it_was_read() -> None:
    waiting = WaitingBytes(1000)
    inbox = accepted(waiting=waiting)
    inbox.push([b"x" * 30])
    inbox.push([b"y" * 12])
    assert waiting.size_bytes == 42
    await inbox.take()
    assert waiting.size_bytes == 0


async def test_what_an_outlet_takes_never_waits() -> None:
    waiting = WaitingBytes(1000)
    inbox = accepted(waiting=waiting)
    inbox.flow(Outlet())
    inbox.push([b"x" * 30])
    assert waiting.size_bytes == 0


async def test_what_nobody_will_read_any_more_does_not_wait() -> None:
    waiting = WaitingBytes(1000)
    inbox = accepted(waiting=waiting)
    inbox.push([b"x" * 30])
    inbox.drop()
    inbox.drop()
    assert waiting.size_bytes == 0


async def test_a_stream_that_was_given_up_fails_with_nothing_left_and_takes_nothing_more() -> None:
    waiting = WaitingBytes(50)
    inbox = accepted(waiting=waiting)
    inbox.push([b"first"])
    await inbox.take()
    inbox.push([b"x" * 60])
    assert (inbox.size_bytes, waiting.size_bytes, waiting.given_up) == (0, 0, 1)
    inbox.push([b"y"])
    inbox.end(LAST)
    with pytest.raises(ClientTooSlow):
        await inbox.take()
    assert waiting.size_bytes == 0


async def test_a_stream_that_has_ended_and_was_not_read_can_be_given_up() -> None:
    waiting = WaitingBytes(50)
    ended, other = accepted(waiting=waiting), accepted(waiting=waiting)
    ended.push([b"x" * 40])
    ended.end(LAST)
    other.push([b"y" * 20])
    with pytest.raises(ClientTooSlow):
        await ended.take()
    assert (await other.take()).payloads == [b"y" * 20]


async def test_much_that_waits_is_read_in_frames_and_the_last_one_brings_the_end() -> None:
    piece, count = FRAME_BYTES // 4 + 1, 10
    waiting = WaitingBytes(piece * count)
    inbox = accepted(window_bytes=piece * count, waiting=waiting)
    pieces = [bytes([number]) * piece for number in range(count)]
    inbox.push(pieces)
    inbox.end(LAST)
    frames = [await inbox.take()]
    while not frames[-1].last:
        assert waiting.size_bytes == piece * count - sum(len(payload) for frame in frames for payload in frame.payloads)
        frames.append(await inbox.take())
    assert [payload for frame in frames for payload in frame.payloads] == pieces
    assert [len(frame.payloads) for frame in frames] == [4, 4, 2]
    assert waiting.size_bytes == 0


async def test_one_payload_larger_than_a_frame_is_read_whole() -> None:
    inbox = accepted(window_bytes=1 << 20)
    inbox.push([b"x" * (FRAME_BYTES * 3)])
    inbox.end(LAST)
    frame = await inbox.take()
    assert (len(frame.payloads[0]), frame.last) == (FRAME_BYTES * 3, True)


# --- an outlet ------------------------------------------------------------------------------------------------------------


class Outlet(list[bytes]):
    """Takes everything while it is ``open``."""

    open = True

    def __call__(self, payloads: list[bytes]) -> bool:
        if self.open:
            self += payloads
        return self.open


async def flowing(window_bytes: int = WINDOW_BYTES, grants: Grants | None = None) -> tuple[Inbox, Outlet]:
    inbox = accepted(window_bytes, grants)
    inbox.push([b"first"])
    await inbox.take()
    inbox.flow(outlet := Outlet())
    return inbox, outlet


async def test_what_the_outlet_takes_wakes_no_reader() -> None:
    inbox, outlet = await flowing()
    reader = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.push([b"a", b"b"])
    await asyncio.sleep(0.01)
    assert outlet == [b"a", b"b"]
    assert not reader.done()
    inbox.end(LAST)
    assert await reader == LAST


async def test_what_the_outlet_refuses_is_kept_and_what_comes_after_it_waits_behind_it() -> None:
    inbox, outlet = await flowing()
    outlet.open = False
    inbox.push([b"a"])
    outlet.open = True
    inbox.push([b"b"])
    assert outlet == []
    assert (await inbox.take()).payloads == [b"a", b"b"]
    inbox.push([b"c"])
    assert outlet == [b"c"]


async def test_what_the_outlet_took_makes_room_like_what_was_read() -> None:
    grants = Grants()
    inbox, _ = await flowing(grants=grants)
    for _ in range(5):
        inbox.push([b"x" * 30])
    assert grants == [len(b"first") + 60, 60]


async def test_an_outlet_that_refuses_everything_is_held_to_the_window() -> None:
    inbox, outlet = await flowing()
    outlet.open = False
    inbox.push([b"x" * WINDOW_BYTES])
    with pytest.raises(ProtocolViolation):
        inbox.push([b"y"])


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.booleans())))
@settings(max_examples=200)
def test_nothing_is_lost_doubled_or_reordered_between_outlet_and_reader(turns: list[tuple[bool, int, bool]]) -> None:
    async def run() -> None:
        inbox, outlet = await flowing(window_bytes=1 << 20)
        sent: list[bytes] = []
        for willing, count, read in turns:
            outlet.open = willing
            batch = [b"%d" % (len(sent) + number) for number in range(count)]
            sent += batch
            inbox.push(batch)
            if read and inbox.size_bytes:
                outlet += (await inbox.take()).payloads
        inbox.end(LAST)
        outlet += (await inbox.take()).payloads
        assert outlet == sent

    asyncio.run(run())
