from __future__ import annotations

import struct
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from cluster.telemetry.multiprocess import Owner
from cluster.telemetry.valuefiles import FileName, SeriesTable, ValueFile
from tests.unit.telemetry.conftest import DEAD, Writer


def read(path: Path, table: SeriesTable | None = None) -> dict[str, float]:
    name = FileName.parse(path.name)
    assert name is not None
    return {series.sample + str(series.labels): value for series, value in ValueFile(path, name).read(table or SeriesTable())}


def test_reads_what_prometheus_client_wrote(writer: Writer) -> None:
    path = writer.counter(DEAD, 3.5, name="a", model="m", org="ö")
    writer.counter(DEAD, 4, name="b")
    assert read(path) == {"a_total{'model': 'm', 'org': 'ö'}": 3.5, "b_total{}": 4.0}


def test_agrees_with_prometheus_client_on_a_file_that_has_grown(writer: Writer, tmp_path: Path) -> None:
    path = tmp_path / f"counter_{DEAD}.db"
    values = MmapedDict(str(path))
    for number in range(2000):
        values.write_value(mmap_key("a", "a_total", ["n"], ["x" * (number % 17) + str(number)], "Help."), number, 0.0)
    expected = {key: value for key, value, _ in values.read_all_values()}
    assert path.stat().st_size > 1 << 16
    file = ValueFile(path, FileName("counter", "", Owner(1, 2)))
    assert {series.key: value for series, value in file.read(SeriesTable())} == expected


def test_second_read_sees_new_values_and_new_series(writer: Writer, tmp_path: Path) -> None:
    path = writer.counter(DEAD, 1, name="a")
    file, table = ValueFile(path, FileName("counter", "", Owner(1, 2))), SeriesTable()
    assert [value for _, value in file.read(table)] == [1]
    writer.counter(DEAD, 2, name="a")
    writer.counter(DEAD, 7, name="b")
    assert [value for _, value in file.read(table)] == [2, 7]


def test_second_read_notices_that_the_file_is_another_one(writer: Writer) -> None:
    path = writer.counter(DEAD, 1, name="a")
    file, table = ValueFile(path, FileName("counter", "", Owner(1, 2))), SeriesTable()
    file.read(table)
    kept_inode = path.rename(path.with_suffix(".old"))
    writer.counter(DEAD, 5, name="b")
    assert [(series.family, value) for series, value in file.read(table)] == [("b", 5)]
    kept_inode.unlink()


@pytest.mark.parametrize("content", [b"", b"\0\0", bytes(64)])
def test_file_that_was_just_made_is_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"counter_{DEAD}.db"
    path.write_bytes(content)
    assert read(path) == {}


def test_values_before_the_damage_stay(writer: Writer) -> None:
    path = writer.counter(DEAD, 1, name="a")
    whole = path.read_bytes()
    used = struct.unpack_from("i", whole)[0]
    writer.counter(DEAD, 2, name="b")
    data = bytearray(path.read_bytes())
    struct.pack_into("i", data, used, 1 << 30)
    path.write_bytes(data)
    file = ValueFile(path, FileName("counter", "", Owner(1, 2)))
    assert [value for _, value in file.read(SeriesTable())] == [1]
    assert file.damage is not None
    assert path.name in file.damage


def test_unreadable_key_is_damage_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / f"counter_{DEAD}.db"
    values = MmapedDict(str(path))
    values.write_value("not json", 1.0, 0.0)
    file = ValueFile(path, FileName("counter", "", Owner(1, 2)))
    assert file.read(SeriesTable()) == []
    assert file.damage is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("counter_12-34.db", FileName("counter", "", Owner(12, 34))),
        ("counter_12.db", FileName("counter", "", Owner(12, None))),
        ("gauge_livesum_12-34.db", FileName("gauge", "livesum", Owner(12, 34))),
        ("histogram_12.db", FileName("histogram", "", Owner(12, None))),
        ("gauge_12.db", None),
        ("counter_12.txt", None),
        ("counter_twelve.db", None),
        ("counter_12-.db", None),
        ("unknown_12.db", None),
        ("archive.json", None),
    ],
)
def test_file_names(name: str, expected: FileName | None) -> None:
    assert FileName.parse(name) == expected
