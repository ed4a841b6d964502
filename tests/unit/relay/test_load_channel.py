"""What a replica has to do, told over a channel."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field

from cluster.relay.channel.handshake import new_life, new_nonce
from cluster.relay.channel.load_pump import LoadPump
from cluster.relay.channel.messages import Load, Welcome
from cluster.relay.loads import ReplicaLoads
from cluster.routing.pending import LoadReport, PendingPrompts
from cluster.routing.ticket import ArrivedTicket
from tests.unit.relay.ends import KEY, Stranger, dialling, eventually, listening

TICKET = ArrivedTicket((b"m" * 16,), 700)


@dataclass(eq=False)
class Listener:
    """Implements :class:`~cluster.relay.loads.LoadListener`."""

    told: list[tuple[str, LoadReport]] = field(default_factory=list)

    def replica_told(self, replica_id: str, report: LoadReport) -> None:
        self.told.append((replica_id, report))


def heard_by(listener: Listener) -> ReplicaLoads:
    loads = ReplicaLoads()
    loads.listen(listener)
    return loads


async def test_every_gateway_with_a_channel_is_told_at_once() -> None:
    one, other = Listener(), Listener()
    async with listening(loads=heard_by(one)) as first, listening(loads=heard_by(other)) as second, dialling("a") as dialer:
        load = PendingPrompts()
        pump = LoadPump(load, dialer, period_s=60.0)
        load.on_change = pump.changed
        for server in (first, second):
            await dialer.channel(server.address)
        load.arrived("r", TICKET, 0.0)
        await eventually(lambda: bool(one.told and other.told))
        pump.stop()
    assert one.told == other.told
    ((replica_id, report),) = one.told
    assert (replica_id, report.number, report.ongoing, report.marks) == ("a", 1, 1, TICKET.marks)
    assert report.pending_tokens == 700.0


async def test_changes_within_a_period_are_one_message_with_all_marks() -> None:
    listener, period_s = Listener(), 0.2
    async with listening(loads=heard_by(listener)) as server, dialling("a") as dialer:
        load = PendingPrompts()
        pump = LoadPump(load, dialer, period_s)
        load.on_change = pump.changed
        await dialer.channel(server.address)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        load.arrived("first", None, 0.0)
        await eventually(lambda: len(listener.told) == 1)
        for number in range(50):
            load.arrived(str(number), ArrivedTicket((bytes([number]) * 16,), 10), 0.0)
        await eventually(lambda: len(listener.told) == 2)
        assert loop.time() - began_s >= period_s
        await asyncio.sleep(2 * period_s)
        pump.stop()
    assert len(listener.told) == 2, "nothing is told while nothing changes"
    last = listener.told[-1][1]
    assert (last.number, last.ongoing, len(last.marks)) == (51, 51, 50)


async def test_a_gateway_that_takes_nothing_is_left_out_and_the_others_are_told() -> None:
    one, other = Listener(), Listener()
    async with listening(loads=heard_by(one)) as first, listening(loads=heard_by(other)) as second, dialling("a") as dialer:
        load = PendingPrompts()
        pump = LoadPump(load, dialer, period_s=0.001)
        load.on_change = pump.changed
        stuck = await dialer.channel(first.address)
        await dialer.channel(second.address)
        stuck.pause_writing()
        load.arrived("r", TICKET, 0.0)
        await eventually(lambda: bool(other.told))
        stuck.resume_writing()
        load.ended("r", 1.0)
        await eventually(lambda: len(other.told) == 2 and bool(one.told))
        pump.stop()
    assert [report.number for _, report in one.told] == [other.told[-1][1].number]


async def test_a_pump_that_was_stopped_tells_nothing_more() -> None:
    listener = Listener()
    async with listening(loads=heard_by(listener)) as server, dialling("a") as dialer:
        load = PendingPrompts()
        pump = LoadPump(load, dialer, period_s=0.001)
        load.on_change = pump.changed
        await dialer.channel(server.address)
        load.arrived("r", TICKET, 0.0)
        pump.stop()
        load.ended("r", 1.0)
        await asyncio.sleep(0.05)
    assert listener.told == []


async def test_load_before_any_proof_ends_the_connection_and_is_not_believed() -> None:
    listener = Listener()
    async with listening(loads=heard_by(listener)) as server:
        stranger = await Stranger.at(server.address)
        stranger.say(Load(LoadReport(1, 1, 1.0)))
        assert await stranger.hung_up()
    assert listener.told == []


async def test_a_replica_tells_of_itself_whatever_it_says() -> None:
    listener = Listener()
    async with listening(loads=heard_by(listener)) as server:
        stranger = await Stranger.at(server.address)
        stranger.say(KEY.hello(stranger.challenge, server.address.life, "a", new_life(), new_nonce()))
        assert isinstance(await stranger.receive(), Welcome)
        stranger.say(Load(LoadReport(1, 2, 3.0)))
        await eventually(lambda: listener.told == [("a", LoadReport(1, 2, 3.0))])
        stranger.close()


def test_a_listener_that_nobody_holds_any_more_is_forgotten() -> None:
    kept, dropped = Listener(), Listener()
    told = dropped.told
    loads = heard_by(kept)
    loads.listen(dropped)
    del dropped
    gc.collect()
    loads.told("a", LoadReport(1, 2, 3.0))
    assert (len(kept.told), len(told)) == (1, 0)
