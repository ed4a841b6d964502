from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cluster.engine.residency import Residency
from cluster.engine.vllm.kv_events.follower import ResidencyReader
from cluster.engine.vllm.kv_events.wire import DEVICE_MEDIUM, AllBlocksCleared, BlockRemoved, BlockStored
from cluster.routing.residency.blocks import Group
from cluster.routing.residency.report import Subscribe
from cluster.routing.residency.table import ResidencyTable, Told

BLOCK_BYTES = 64
NAMES = (b"1" * 16, b"2" * 16)


@dataclass
class Recorded:
    counts: Counter[str] = field(default_factory=Counter)
    resident: tuple[int, int] = (0, 0)

    def kv_events(self, model: str, kind: str, count: int) -> None:
        self.counts[kind] += count

    def kv_feed(self, model: str, outcome: str) -> None:
        self.counts[outcome] += 1

    def kv_resident(self, model: str, blocks: int, hashes: int) -> None:
        self.resident = (blocks, hashes)


@dataclass
class Followed:
    """A replica's knowledge and a gateway that is told of it."""

    observer: Recorded = field(default_factory=Recorded)
    table: ResidencyTable = field(default_factory=lambda: ResidencyTable(100))
    at: Subscribe = field(default_factory=Subscribe)

    def __post_init__(self) -> None:
        self.residency = Residency("model", BLOCK_BYTES, 100, self.observer)
        self.reader = ResidencyReader(self.residency)

    def answer(self, name: str = "r") -> None:
        self.residency.expect(name, "org", NAMES, 2 * BLOCK_BYTES)
        self.reader.events([BlockStored([b"a", b"b"], None, DEVICE_MEDIUM, 0, name)])
        self.residency.computed(name, 32)
        self.residency.ended(name)

    def told(self) -> Told | None:
        """Of the two blocks of the chain; raises ``KeyError`` while nothing is known of the replica."""
        self.residency.refresh()
        for report in self.residency.after(self.at):
            assert self.table.apply("replica", report) is None
            self.at = Subscribe(report.epoch, report.number)
        return self.table.lookup(NAMES)["replica"]

    def is_unknown(self) -> bool:
        try:
            self.told()
        except KeyError:
            return True
        return False


def begun() -> Followed:
    followed = Followed()
    followed.residency.begin([Group(16)])
    return followed


def test_what_is_stored_and_evicted_is_told_and_counted() -> None:
    followed = begun()
    followed.answer()
    assert followed.told() == Told(2, 32)
    assert followed.observer.resident == (2, 2)
    followed.reader.events([BlockRemoved([b"b"], DEVICE_MEDIUM, 0)])
    assert followed.told() == Told(1, 16)
    assert followed.observer.counts == {"stored": 2, "removed": 1}


def test_nothing_is_known_before_the_engine_is_there() -> None:
    followed = Followed()
    followed.answer()
    assert followed.is_unknown()


def test_lost_events_leave_the_replica_unknown_until_its_cache_was_cleared() -> None:
    followed = begun()
    followed.answer()
    assert followed.told() == Told(2, 32)
    followed.reader.gap()
    followed.reader.lost()
    assert followed.is_unknown()
    followed.answer("later")
    assert followed.is_unknown()
    followed.reader.events([AllBlocksCleared()])
    assert followed.told() is None
    followed.answer("after")
    assert followed.told() == Told(2, 32)
    assert followed.observer.counts["reset"] == followed.observer.counts["gap"] == 1


def test_a_replay_leaves_everything_as_it_was() -> None:
    followed = begun()
    followed.answer()
    followed.reader.gap()
    followed.reader.replayed(3)
    assert followed.told() == Told(2, 32)
    assert followed.observer.counts["replay"] == 1


def test_a_cleared_cache_is_told_of_as_evicted() -> None:
    followed = begun()
    followed.answer()
    assert followed.told() == Told(2, 32)
    followed.reader.events([AllBlocksCleared()])
    assert followed.told() == Told(0, 0)


def test_an_engine_that_begins_anew_has_nothing() -> None:
    followed = begun()
    followed.answer()
    assert followed.told() == Told(2, 32)
    followed.reader.restarted()
    assert followed.told() is None


def test_copies_elsewhere_do_not_count() -> None:
    followed = begun()
    followed.answer()
    followed.reader.events([BlockRemoved([b"a", b"b"], "CPU", 0), BlockStored([b"c"], b"b", "STORAGE", 0, "r")])
    assert followed.told() == Told(2, 32)
    assert followed.observer.resident[0] == 2


def test_a_cache_of_unknown_rule_stays_unknown() -> None:
    followed = Followed()
    followed.residency.begin([Group(16, window_tokens=128)])
    followed.answer()
    assert followed.is_unknown()
    assert not followed.residency.known
