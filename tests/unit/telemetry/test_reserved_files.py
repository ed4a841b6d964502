"""A full disk costs the metrics of new files, never the process that writes them."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from cluster.telemetry import reserved_files
from cluster.telemetry.reserved_files import ReservedFile
from tests.disk import filled, small_disk

ENTRIES = 2000
"""More than the first 64 KiB hold."""
WRITE = """
import sys
from prometheus_client.mmap_dict import MmapedDict
from cluster.telemetry.reserved_files import ReservedFile
values = {kind}(sys.argv[1])
for number in range({entries}):
    values.write_value(f"name{{number:040}}", number, 0.0)
print(sum(value for _, value, _ in values.read_all_values()))
"""


def read(file: Path) -> dict[str, float]:
    return {key: value for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file))}


def test_values_are_in_the_file_and_read_as_others(tmp_path: Path) -> None:
    file = tmp_path / "counter_1.db"
    values = ReservedFile(str(file))
    for number in range(ENTRIES):
        values.write_value(f"name{number:040}", float(number), 0.0)
    assert read(file) == {f"name{number:040}": float(number) for number in range(ENTRIES)}
    values.close()
    assert ReservedFile(str(file)).read_value(f"name{ENTRIES - 1:040}") == (ENTRIES - 1, 0.0)


def test_no_block_of_a_file_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "counter_1.db"
    values = ReservedFile(str(file))
    for number in range(ENTRIES):
        values.write_value(f"name{number:040}", float(number), 0.0)
        assert file.stat().st_blocks * 512 >= file.stat().st_size


def test_without_room_to_grow_values_go_on_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "counter_1.db"
    values = ReservedFile(str(file))
    values.write_value("before", 1.0, 0.0)
    monkeypatch.setattr(reserved_files, "_reserve", lambda *_: False)
    with caplog.at_level(logging.ERROR):
        for number in range(ENTRIES):
            values.write_value(f"name{number:040}", float(number), 0.0)
    kept = {key: value for key, value, _ in values.read_all_values()}
    assert kept == {"before": 1.0} | {f"name{number:040}": float(number) for number in range(ENTRIES)}
    assert read(file)["before"] == 1.0
    assert str(file) in caplog.text


@pytest.mark.parametrize(("kind", "code"), [("ReservedFile", 0), ("MmapedDict", -signal.SIGBUS)])
def test_a_process_on_a_full_disk_lives(tmp_path: Path, kind: str, code: int) -> None:
    """prometheus_client's own file kills it, or this test would show nothing."""
    with small_disk(tmp_path / "disk", 1 << 20) as disk, filled(disk):
        program = WRITE.format(kind=kind, entries=ENTRIES)
        done = subprocess.run(
            [sys.executable, "-c", program, str(disk / "counter_1.db")], capture_output=True, text=True, check=False
        )
    assert done.returncode == code
    if code == 0:
        assert float(done.stdout) == sum(range(ENTRIES))
