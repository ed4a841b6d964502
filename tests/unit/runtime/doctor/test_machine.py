"""Ports, memory, open files and disks: good, bad, can't tell."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cluster.runtime.doctor.disk import DiskSpace
from cluster.runtime.doctor.finding import Outcome
from cluster.runtime.doctor.machine import Memory, OpenFiles
from cluster.runtime.doctor.ports import Ports
from cluster.runtime.run_record import RunRecord
from tests.unit.runtime.doctor.conftest import Configured, said

RUN = RunRecord(pid=4711, run_id="r", started_unix_s=0.0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_free_port_is_fine_and_a_taken_one_is_a_problem_with_the_variable_to_set(configured: Configured) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        config = configured(http={"port": taken}, grpc={"port": free_port()}, metrics={"port": free_port()})
        found = said(Ports(config, None))
    assert found["grpc.port"].outcome is Outcome.OK
    assert found["http.port"].outcome is Outcome.PROBLEM
    assert f"OSSATURE_HTTP__PORT={taken + 1}" in (found["http.port"].next_step or "")


def test_ports_taken_by_the_cluster_that_runs_here_are_fine_and_free_ones_are_not(configured: Configured) -> None:
    def problem(setting: str, host: str, port: int) -> str | None:
        return "in use" if setting == "http.port" else None

    found = said(Ports(configured(), RUN, problem))
    assert found["http.port"].outcome is Outcome.OK
    assert found["grpc.port"].outcome is Outcome.WARNING
    assert "4711" in found["grpc.port"].message


def test_an_address_of_another_machine_is_a_problem_here_and_no_verdict_with_a_ray_elsewhere(configured: Configured) -> None:
    here = said(Ports(configured(http={"host": "203.0.113.9"}), None))
    elsewhere = said(Ports(configured(http={"host": "203.0.113.9"}, ray={"address": "10.0.0.1:6379"}), None))
    assert here["http.port"].outcome is Outcome.PROBLEM
    assert elsewhere["http.port"].outcome is Outcome.UNKNOWN
    assert elsewhere["http.port"].next_step


def machine(root: Path, available_kib: int, limit: str = "max", used: int = 0) -> Path:
    for folder in ("proc", "sys/fs/cgroup", "dev/shm"):
        (root / folder).mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {available_kib} kB\n")
    (root / "sys/fs/cgroup/memory.max").write_text(f"{limit}\n")
    (root / "sys/fs/cgroup/memory.current").write_text(f"{used}\n")
    return root


def test_memory_is_enough_for_platform_and_weights(configured: Configured, tmp_path: Path) -> None:
    root = machine(tmp_path / "root", 8 << 20)
    assert said(Memory(configured(), 1 << 30, root))["main memory"].outcome is Outcome.OK
    too_large = said(Memory(configured(), 8 << 30, root))["main memory"]
    assert too_large.outcome is Outcome.PROBLEM
    assert "at least 10.7 GiB" in too_large.message


def test_the_limit_of_a_container_counts_before_the_memory_of_the_machine(configured: Configured, tmp_path: Path) -> None:
    root = machine(tmp_path / "root", 64 << 20, limit=str(2 << 30), used=(2 << 30) - (100 << 20))
    assert said(Memory(configured(), 0, root))["main memory"].outcome is Outcome.PROBLEM


def test_memory_of_a_system_without_proc_is_no_verdict(configured: Configured, tmp_path: Path) -> None:
    found = said(Memory(configured(), 0, tmp_path))
    assert found["main memory"].outcome is Outcome.UNKNOWN
    assert found["shared memory"].outcome is Outcome.UNKNOWN


def test_shared_memory_smaller_than_rays_object_store_is_a_warning(configured: Configured, tmp_path: Path) -> None:
    root = machine(tmp_path / "root", 8 << 20)
    assert said(Memory(configured(), 0, root))["shared memory"].outcome is Outcome.OK
    greedy = configured(ray={"object_store_memory_bytes": 1 << 60})
    found = said(Memory(greedy, 0, root))["shared memory"]
    assert found.outcome is Outcome.WARNING
    assert "--shm-size" in (found.next_step or "")


@pytest.mark.parametrize(
    ("hard", "outcome"),
    [(1_048_576, Outcome.OK), (-1, Outcome.OK), (20_000, Outcome.WARNING), (1024, Outcome.PROBLEM)],
)
def test_open_file_limit(hard: int, outcome: Outcome) -> None:
    assert said(OpenFiles(lambda: (1024, hard)))["limit"].outcome is outcome


def test_an_open_file_limit_that_cannot_be_read_is_no_verdict() -> None:
    def refused() -> tuple[int, int]:
        raise OSError(1, "Operation not permitted")

    assert said(OpenFiles(refused))["limit"].outcome is Outcome.UNKNOWN


def data_disk(config: object, cache: Path, free: int, total: int = 100 << 30) -> Outcome:
    found = said(DiskSpace(config, cache, lambda _: (total, total - free, free)))  # type: ignore[arg-type]
    return next(finding.outcome for subject, finding in found.items() if subject.startswith("data_dir"))


def test_disks_with_room_little_room_and_none(configured: Configured, tmp_path: Path) -> None:
    config = configured()
    assert data_disk(config, tmp_path, 50 << 30) is Outcome.OK
    assert data_disk(config, tmp_path, 3 << 30) is Outcome.WARNING
    assert data_disk(config, tmp_path, 500 << 20) is Outcome.PROBLEM
    assert not config.data_dir.exists(), "a look makes no folder"


def test_a_file_where_a_folder_should_be_is_a_problem(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    found = said(DiskSpace(configured(), tmp_path))
    assert found[f"data_dir ({tmp_path / 'data'})"].outcome is Outcome.PROBLEM


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_a_problem(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    assert said(DiskSpace(configured(), tmp_path))[f"data_dir ({tmp_path / 'data'})"].outcome is Outcome.PROBLEM


def test_the_room_of_a_remote_object_store_and_of_a_silent_file_system_is_no_verdict(
    configured: Configured, tmp_path: Path
) -> None:
    def silent(_: Path) -> tuple[int, int, int]:
        raise OSError(5, "Input/output error")

    found = said(DiskSpace(configured(files={"storage_url": "s3://bucket/files"}), tmp_path, silent))
    assert {finding.outcome for finding in found.values()} == {Outcome.UNKNOWN}
    assert "bucket" not in found["files.storage_url"].message
