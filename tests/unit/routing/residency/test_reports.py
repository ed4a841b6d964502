from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.routing.residency import log as report_log
from cluster.routing.residency.log import ReportLog
from cluster.routing.residency.report import Report, Subscribe, pack, unpack
from cluster.routing.residency.table import ResidencyTable, Told


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def state_of(table: ResidencyTable, replica_id: str) -> dict[bytes, int]:
    return {key: told[replica_id] for key, told in table._tokens.items() if told.get(replica_id, 0) > 0}


def tell(log: ReportLog, table: ResidencyTable, at: Subscribe, replica_id: str = "a") -> Subscribe:
    for report in log.after(at):
        assert table.apply(replica_id, report) is None
        at = Subscribe(report.epoch, report.number)
    return at


changes = st.dictionaries(st.integers(0, 20).map(name), st.sampled_from([-1, 0, 16, 32]), max_size=6)


@settings(max_examples=300, deadline=None)
@given(rounds=st.lists(st.tuples(changes, st.sampled_from(["sent", "dropped", "paused", "restart", "lose"])), max_size=30))
def test_whatever_is_dropped_a_gateway_ends_with_the_replicas_state_or_knows_that_it_has_none(
    rounds: list[tuple[dict[bytes, int], str]],
) -> None:
    log = ReportLog(epoch=1, history_entries=10)
    table = ResidencyTable(1000)
    at = Subscribe()
    truth: dict[bytes, int] = {}
    for news, fate in rounds:
        if fate in ("restart", "lose"):
            truth = {}
            (log.restart if fate == "restart" else log.lose)()
        if log.known:
            log.add(news)
            truth = {key: tokens for key, tokens in (truth | news).items() if tokens > 0}
        if fate == "paused":
            continue
        for report in log.after(at):
            at = Subscribe(report.epoch, report.number)
            if fate == "dropped":
                continue
            missing = table.apply("a", report)
            if missing is not None:
                at = missing
                break
    at = tell_until_settled(log, table, at)
    if log.known:
        assert table.replicas == 1
        assert state_of(table, "a") == truth
    else:
        assert table.replicas == 0


def tell_until_settled(log: ReportLog, table: ResidencyTable, at: Subscribe) -> Subscribe:
    # Something new shows a gateway what it has missed before.
    log.add({name(99): 16})
    log.add({name(99): 0})
    for _ in range(3):
        for report in log.after(at):
            missing = table.apply("a", report)
            at = missing or Subscribe(report.epoch, report.number)
            if missing is not None:
                break
    return at


def test_a_gap_is_closed_by_the_missing_reports_alone() -> None:
    log, table = ReportLog(1, 100), ResidencyTable(100)
    log.restart()
    at = tell(log, table, Subscribe())
    log.add({name(1): 16})
    log.add({name(2): 16})
    first, second = log.after(at)
    missing = table.apply("a", second)
    assert missing == at
    assert table.gaps == 1
    assert log.after(missing) == [first, second]
    tell(log, table, missing)
    assert state_of(table, "a") == {name(1): 16, name(2): 16}


def test_what_is_out_of_the_log_is_told_as_a_whole() -> None:
    log, table = ReportLog(1, history_entries=2), ResidencyTable(100)
    log.restart()
    at = tell(log, table, Subscribe())
    for number in range(5):
        log.add({name(number): 16})
    (report,) = log.after(at)
    assert report.whole
    assert table.apply("a", report) is None
    assert state_of(table, "a") == {name(number): 16 for number in range(5)}


def test_a_large_state_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_log, "MAX_REPORT_ENTRIES", 4)
    log, table = ReportLog(1, history_entries=1), ResidencyTable(100)
    log.restart()
    log.add({name(number): 16 for number in range(10)})
    parts = log.after(Subscribe())
    assert [part.whole for part in parts] == [True, False, False]
    at = tell(log, table, Subscribe())
    assert len(state_of(table, "a")) == 10
    log.add({name(3): 0})
    tell(log, table, at)
    assert len(state_of(table, "a")) == 9


def test_a_replica_that_lost_track_is_unknown_until_it_begins_anew() -> None:
    log, table = ReportLog(1, 100), ResidencyTable(100)
    log.restart()
    log.add({name(1): 16})
    at = tell(log, table, Subscribe())
    log.lose()
    log.add({name(2): 16})
    at = tell(log, table, at)
    assert table.replicas == 0
    assert table.lookup([name(1)]) == {}
    log.restart()
    tell(log, table, at)
    assert table.lookup([name(1)]) == {"a": None}


def test_the_deepest_hash_counts_and_replicas_do_not_mix() -> None:
    table = ResidencyTable(100)
    table.apply("a", Report(1, 1, pack({name(1): 16, name(2): 32}), whole=True))
    table.apply("b", Report(1, 1, pack({name(1): 16, name(2): 0}), whole=True))
    table.apply("c", Report(1, 1, pack({name(2): 0}), whole=True))
    table.apply("d", Report(1, 1, b"", whole=True))
    assert table.lookup([name(1), name(2), name(3)]) == {"a": Told(2, 32), "b": Told(1, 16), "c": Told(0, 0), "d": None}
    table.forget("a")
    assert "a" not in table.lookup([name(1), name(2)])


def test_the_table_is_bounded() -> None:
    table = ResidencyTable(10)
    table.apply("a", Report(1, 1, pack({name(number): 16 for number in range(50)}), whole=True))
    assert len(table) == 10
    assert table.lookup([name(49)]) == {"a": Told(1, 16)}
    assert table.lookup([name(0)]) == {"a": None}


@given(entries=st.dictionaries(st.binary(min_size=16, max_size=16), st.integers(-1, 2**31 - 1)))
def test_entries_survive_packing(entries: dict[bytes, int]) -> None:
    assert dict(unpack(pack(entries))) == entries


def test_torn_entries_are_refused() -> None:
    with pytest.raises(ValueError, match="no whole number"):
        ResidencyTable(10).apply("a", Report(1, 1, b"x" * 21, whole=True))
