"""What a replica has cached, told over a channel."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from cluster.relay.channel.handshake import new_life, new_nonce
from cluster.relay.channel.messages import Follow, Resident, Welcome
from cluster.relay.channel.residency_pump import ResidencyPump
from cluster.routing.residency.log import ReportLog
from cluster.routing.residency.report import Report, Subscribe, pack
from cluster.routing.residency.table import ResidencyTable, Told
from tests.unit.relay.ends import KEY, Stranger, dialling, eventually, listening


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def new_log() -> ReportLog:
    log = ReportLog(epoch=1, history_entries=4)
    log.restart()
    return log


@dataclass
class Source:
    """Implements :class:`~cluster.relay.channel.residency_pump.ResidencySource` over a log that a test writes."""

    log: ReportLog = field(default_factory=new_log)
    refreshed: int = 0

    def refresh(self) -> None:
        self.refreshed += 1

    def after(self, at: Subscribe) -> list[Report]:
        return self.log.after(at)


async def test_a_gateway_is_told_all_at_first_and_then_what_is_new() -> None:
    source, table = Source(), ResidencyTable(100)
    source.log.add({name(1): 16})
    async with listening(residency=table) as server, dialling("a") as dialer:
        pump = ResidencyPump(source, dialer, period_s=0.01)
        pump.start()
        await dialer.channel(server.address)
        await eventually(lambda: table.lookup([name(1)]) == {"a": Told(1, 16)})
        source.log.add({name(2): 32, name(1): 0})
        await eventually(lambda: table.lookup([name(1), name(2)]) == {"a": Told(2, 32)})
        assert table.lookup([name(1)]) == {"a": Told(0, 0)}
        assert table.gaps == 0
        await pump.stop()
        seen = source.refreshed
        await asyncio.sleep(0.05)
        assert source.refreshed == seen


async def test_a_replica_whose_channel_has_ended_is_unknown() -> None:
    source, table = Source(), ResidencyTable(100)
    async with listening(residency=table) as server:
        async with dialling("a") as dialer:
            channel = await dialer.channel(server.address)
            await eventually(lambda: channel.follower is not None)
            ResidencyPump(source, dialer, period_s=1.0).tell()
            await eventually(lambda: table.replicas == 1)
        await eventually(lambda: table.replicas == 0)


async def test_a_gateway_that_does_not_ask_is_not_told() -> None:
    source = Source()
    async with listening() as server, dialling("a") as dialer:
        channel = await dialer.channel(server.address)
        await asyncio.sleep(0.05)
        assert channel.follower is None
        ResidencyPump(source, dialer, period_s=1.0).tell()
        await asyncio.sleep(0.05)
        assert not channel.over


async def test_a_gateway_that_missed_something_asks_for_it_and_gets_no_more_than_that() -> None:
    source, table = Source(), ResidencyTable(100)
    async with listening(residency=table) as server, dialling("a") as dialer:
        pump = ResidencyPump(source, dialer, period_s=1.0)
        channel = await dialer.channel(server.address)
        await eventually(lambda: channel.follower is not None)
        pump.tell()
        await eventually(lambda: table.replicas == 1)
        source.log.add({name(1): 16})
        (missed,) = source.log.after(Subscribe(source.log.epoch, 0))
        source.log.add({name(2): 16})
        channel.follower = Subscribe(missed.epoch, missed.number)  # as if it had been told
        pump.tell()
        await eventually(lambda: table.gaps == 1)
        await eventually(lambda: channel.follower == Subscribe(missed.epoch, 0))
        pump.tell()
        await eventually(lambda: table.lookup([name(1), name(2)]) == {"a": Told(2, 16)})
        assert table.lookup([name(1)]) == {"a": Told(1, 16)}


async def _admitted(stranger: Stranger, life: bytes) -> None:
    """Say what a replica with the key says."""
    stranger.say(KEY.hello(stranger.challenge, life, "a", new_life(), new_nonce()))
    assert isinstance(await stranger.receive(), Welcome)


async def test_news_before_any_proof_end_the_connection_and_change_nothing() -> None:
    table = ResidencyTable(100)
    async with listening(residency=table) as server:
        stranger = await Stranger.at(server.address)
        stranger.say(Resident(Report(1, 1, pack({name(1): 16}), whole=True)))
        assert await stranger.hung_up()
        assert table.replicas == 0


async def test_torn_news_end_the_channel() -> None:
    table = ResidencyTable(100)
    async with listening(residency=table) as server:
        stranger = await Stranger.at(server.address)
        await _admitted(stranger, server.address.life)
        assert isinstance(await stranger.receive(), Follow)
        stranger.say(Resident(Report(1, 1, b"x" * 7, whole=True)))
        assert await stranger.hung_up()


async def test_news_that_nobody_asked_for_end_the_channel() -> None:
    async with listening() as server:
        stranger = await Stranger.at(server.address)
        await _admitted(stranger, server.address.life)
        stranger.say(Resident(Report(1, 1, b"", whole=True)))
        assert await stranger.hung_up()


async def test_the_dialler_names_only_channels_that_are_up() -> None:
    async with listening() as server, dialling() as dialer:
        assert dialer.channels() == []
        channel = await dialer.channel(server.address)
        assert dialer.channels() == [channel]
        channel.end("closed", "over")
        assert dialer.channels() == []
