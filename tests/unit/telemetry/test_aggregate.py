from __future__ import annotations

import logging
import os
import struct
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from cluster.telemetry.aggregate import NodeCollector
from cluster.telemetry.exposition import encode
from tests.unit.telemetry.conftest import DEAD, DEAD_WITHOUT_START, Writer

PROMETHEUS_3_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=underscores;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def samples(collector: NodeCollector) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples but the exporter's own."""
    found = {}
    for family in collector.collect():
        for sample in family.samples:
            if not sample.name.startswith("ossature_"):
                found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def value(collector: NodeCollector, name: str, **labels: str) -> float | None:
    return samples(collector).get((name, tuple(sorted(labels.items()))))


def own(collector: NodeCollector, name: str) -> float:
    return next(s.value for family in collector.collect() for s in family.samples if s.name == name)


def test_counters_of_living_and_dead_processes_are_one_sum(writer: Writer, tmp_path: Path, me: str) -> None:
    writer.counter(me, 2, model="m")
    writer.counter(DEAD, 3, model="m")
    writer.counter(DEAD_WITHOUT_START, 5, model="m")
    collector = NodeCollector(tmp_path)
    assert value(collector, "t_events_total", model="m") == 10
    assert value(collector, "t_events_total", model="m") == 10


def test_the_disk_of_the_data_folder_is_told(tmp_path: Path) -> None:
    collector = NodeCollector(tmp_path)
    disk = os.statvfs(tmp_path)
    assert own(collector, "ossature_data_folder_size_bytes") == disk.f_blocks * disk.f_frsize
    free = own(collector, "ossature_data_folder_free_bytes")
    assert 0 < free <= disk.f_bfree * disk.f_frsize + (1 << 30), "of what is not reserved; others write meanwhile"


def test_dead_processes_leave_one_file(writer: Writer, tmp_path: Path, me: str) -> None:
    writer.counter(me, 2)
    for number in range(50):
        writer.counter(f"{5_000_000 + number}-{number}", 1)
        writer.gauge(f"{5_000_000 + number}-{number}", "livesum", 1)
        writer.histogram(f"{5_000_000 + number}-{number}", {"1.0": 1, "+Inf": 0}, 0.5)
    collector = NodeCollector(tmp_path)
    assert value(collector, "t_events_total") == 52
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["archive.json", f"counter_{me}.db", "lock"]
    assert own(collector, "ossature_exporter_folded_processes_total") == 50
    assert own(collector, "ossature_exporter_processes") == 1


def test_another_exporter_finds_what_the_first_has_folded(writer: Writer, tmp_path: Path) -> None:
    writer.counter(DEAD, 3)
    first, second = NodeCollector(tmp_path), NodeCollector(tmp_path)
    assert value(first, "t_events_total") == 3
    assert value(second, "t_events_total") == 3
    writer.counter("4999999-2", 4)
    assert value(second, "t_events_total") == 7
    assert value(first, "t_events_total") == 7
    assert own(first, "ossature_exporter_folded_processes_total") == 2


def test_process_whose_id_is_in_use_again_is_dead(writer: Writer, tmp_path: Path, me: str, reused: str) -> None:
    writer.counter(reused, 3)
    writer.gauge(reused, "livesum", 100)
    writer.counter(me, 1)
    writer.gauge(me, "livesum", 7)
    collector = NodeCollector(tmp_path)
    assert value(collector, "t_events_total") == 4
    assert value(collector, "t_level") == 7
    assert not (tmp_path / f"counter_{reused}.db").exists()


def test_living_process_without_start_time_is_never_folded(writer: Writer, tmp_path: Path) -> None:
    path = writer.counter(str(os.getpid()), 3)
    collector = NodeCollector(tmp_path)
    assert value(collector, "t_events_total") == 3
    assert path.exists()


def test_histograms_are_summed_and_accumulated(writer: Writer, tmp_path: Path, me: str) -> None:
    writer.histogram(me, {"0.1": 1, "1.0": 2, "+Inf": 3}, 9.5, model="m")
    writer.histogram(DEAD, {"0.1": 10, "1.0": 0, "+Inf": 1}, 0.5, model="m")
    assert samples(NodeCollector(tmp_path)) == {
        ("t_seconds_bucket", (("le", "0.1"), ("model", "m"))): 11,
        ("t_seconds_bucket", (("le", "1.0"), ("model", "m"))): 13,
        ("t_seconds_bucket", (("le", "+Inf"), ("model", "m"))): 17,
        ("t_seconds_count", (("model", "m"),)): 17,
        ("t_seconds_sum", (("model", "m"),)): 10.0,
    }


@pytest.mark.parametrize(("mode", "expected"), [("livesum", 5), ("sum", 5), ("livemax", 4), ("max", 4), ("livemin", 1), ("min", 1)])
def test_gauges_of_living_processes_are_combined_as_their_mode_says(
    writer: Writer, tmp_path: Path, me: str, mode: str, expected: float
) -> None:
    parent = os.getppid()
    writer.gauge(me, mode, 4, model="m")
    writer.gauge(str(parent), mode, 1, model="m")
    writer.gauge(DEAD, mode, 100, model="m")
    assert value(NodeCollector(tmp_path), "t_level", model="m") == expected


@pytest.mark.parametrize("mode", ["mostrecent", "livemostrecent", "all", "liveall"])
def test_gauges_that_would_hide_each_other_stay_apart_by_replica(writer: Writer, tmp_path: Path, me: str, mode: str) -> None:
    writer.gauge(me, mode, 4, model="m")
    writer.gauge(str(os.getppid()), mode, 1, model="m")
    writer.gauge(DEAD, mode, 100, model="m")
    found = samples(NodeCollector(tmp_path))
    assert {labels for _, labels in found} == {(("model", "m"), ("replica", slot)) for slot in "01"}
    assert sorted(found.values()) == [1, 4]


def test_same_as_prometheus_clients_own_collector(writer: Writer, tmp_path: Path, me: str) -> None:
    for owner, factor in ((me, 1.0), (str(os.getppid()), 2.5)):
        writer.counter(owner, 3 * factor, org="a", model="m")
        writer.counter(owner, 1 * factor, org="b", model="m")
        writer.histogram(owner, {"0.1": factor, "2.5": 2, "+Inf": 0}, 3 * factor, model="m")
        writer.histogram(owner, {"0.1": 0, "2.5": 0, "+Inf": 0}, 0, model="idle")
        writer.gauge(owner, "livesum", factor, model="m")
    reference = CollectorRegistry()
    MultiProcessCollector(reference, path=str(tmp_path))
    expected = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in reference.collect()
        for sample in family.samples
    }
    assert samples(NodeCollector(tmp_path)) == expected


def test_both_formats_can_be_parsed_again(writer: Writer, tmp_path: Path, me: str) -> None:
    writer.counter(me, 3, name="vllm:prompt_tokens", model_name='with "quotes"\n')
    writer.histogram(me, {"0.1": 1, "+Inf": 0}, 0.05)
    writer.gauge(me, "mostrecent", 4)
    registry = CollectorRegistry()
    registry.register(NodeCollector(tmp_path))
    body, content_type = encode(registry, "text/plain;version=0.0.4")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    plain = {f.name: f for f in text_string_to_metric_families(body.decode())}
    body, content_type = encode(registry, PROMETHEUS_3_ACCEPT)
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    open_metrics = {f.name: f for f in parse_openmetrics(body.decode())}
    for families in (plain, open_metrics):
        assert families["t_seconds"].type == "histogram"
        sample = families["vllm:prompt_tokens"].samples[0]
        assert (sample.name, sample.labels, sample.value) == ("vllm:prompt_tokens_total", {"model_name": 'with "quotes"\n'}, 3)


def test_damaged_file_costs_only_its_damaged_part_and_is_reported_once(
    writer: Writer, tmp_path: Path, me: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = writer.counter(me, 1)
    data = bytearray(path.read_bytes())
    struct.pack_into("i", data, 0, struct.unpack_from("i", data)[0] + 64)
    path.write_bytes(data)
    collector = NodeCollector(tmp_path)
    with caplog.at_level(logging.ERROR):
        assert value(collector, "t_events_total") == 1
        assert value(collector, "t_events_total") == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_missing_folder_is_an_error_not_an_empty_answer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(NodeCollector(tmp_path / "nowhere").collect())
