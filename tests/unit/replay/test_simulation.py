"""The whole simulation, and the figures of routing that a change must not lose."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from cluster.replay.compare import compare
from cluster.replay.engine_profile import GPT_OSS_120B_H200
from cluster.replay.fleet_events import Change, FleetEvent
from cluster.replay.gateway import GatewaySettings
from cluster.replay.plot import svg
from cluster.replay.policies import OURS, POLICIES
from cluster.replay.report import Report
from cluster.replay.reports import CHANNEL_DELAY_S, CHANNEL_PERIOD_S, REPORT_PERIOD_S
from cluster.replay.simulation import Scenario, Simulation
from cluster.replay.traces import TraceError, read_trace, spread_arrivals
from cluster.replay.workload import Workload
from cluster.replay.workloads import WORKLOADS, generate
from cluster.routing.policies.least_loaded import LeastLoaded
from cluster.routing.policy import ReplicaReport

INDEXES: tuple[Literal["soft"], Literal["precise"]] = ("soft", "precise")
BLIND = ("least_load", "power_of_two", "round_robin", "random")


def reports(name: str, scenario: Scenario, policies: list[str]) -> dict[str, Report]:
    return {report.policy: report for report in compare(first(name, 700), scenario, POLICIES, policies)}


def first(name: str, requests: int, replicas: int = 4) -> Workload:
    whole = generate(name, replicas, seed=0)
    return replace(whole, requests=whole.requests[:requests])


def timeless(report: Report) -> Report:
    return replace(report, decision_us=0.0)


@pytest.mark.parametrize("gateways", [1, 3])
@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_seed_gives_the_same_figures(policy: str, gateways: int) -> None:
    workload = first("chats", 300)
    scenario = Scenario(replicas=3, gateways=gateways, seed=5)
    one, other = (compare(workload, scenario, POLICIES, [policy])[0] for _ in range(2))
    assert timeless(one) == timeless(other)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_is_the_same_for_the_same_seed_and_sorted_by_arrival(name: str) -> None:
    one, other = generate(name, 2, 7), generate(name, 2, 7)
    assert one == other
    assert one != generate(name, 2, 8)
    arrivals = [request.arrival_s for request in one.requests]
    assert arrivals == sorted(arrivals)
    assert all(-(-request.input_tokens // one.block_tokens) == len(request.blocks) for request in one.requests)


def test_every_request_is_answered_though_replicas_join_die_and_drain() -> None:
    events = (FleetEvent(20.0, Change.DIE, 0), FleetEvent(25.0, Change.JOIN), FleetEvent(40.0, Change.DRAIN, 1))
    workload = first("chats", 400)
    outcome = Simulation(workload, Scenario(replicas=3, gateways=2, events=events), POLICIES[OURS]).run()
    failed = [trip for trip in outcome.trips if trip.failed]
    assert all(trip.ttft_s >= 0.0 for trip in failed), "only requests that had begun to answer may be lost"
    assert len(failed) < 40
    assert all(trip.duration_s > 0.0 for trip in outcome.trips if not trip.failed)
    drained = next(engine for engine in outcome.engines if engine.replica_id == "replica-1")
    late = [trip for trip in outcome.trips if trip.request.arrival_s > 40.0 and trip.ticket is not None]
    assert late
    assert all(trip.ticket is not None and trip.ticket.replica_id != "replica-1" for trip in late)
    assert drained.ongoing == 0


@pytest.mark.slow
def test_gate_affinity_beats_cache_blind_policies() -> None:
    # The ramp's beginning is idle: a slower engine makes it a busy one.
    profile = replace(GPT_OSS_120B_H200, kv_tokens=600_000, prefill_ms_per_token=0.08)
    for name in ("organizations", "chats"):
        found = reports(name, Scenario(replicas=4, profile=profile), [OURS, *BLIND])
        ours = found[OURS]
        assert ours.of_oracle >= 0.95, name
        assert ours.load_spread <= 1.3, name
        for blind in BLIND:
            assert ours.ttft_p50_ms < found[blind].ttft_p50_ms, (name, blind)
            assert ours.ttft_p90_ms < 0.8 * found[blind].ttft_p90_ms, (name, blind)


def test_gate_prompts_without_anything_in_common_are_spread_as_well_as_by_least_load() -> None:
    found = reports("unique", Scenario(replicas=4), [OURS, "least_load"])
    assert found[OURS].ttft_p50_ms <= 1.02 * found["least_load"].ttft_p50_ms
    assert found[OURS].ttft_p90_ms <= 1.02 * found["least_load"].ttft_p90_ms


# What is heard of late, through Ray Serve alone, sends more to where others have just sent something.
@pytest.mark.slow
@pytest.mark.parametrize(("channel_period_s", "p90_bound"), [(CHANNEL_PERIOD_S, 1.10), (0.0, 1.12)])
def test_gate_four_gateways_find_nearly_what_one_finds(channel_period_s: float, p90_bound: float) -> None:
    # Long enough for the cold start to matter little: gateways that have yet to hear of each other copy more.
    workload = first("chats", 3000)
    scenario = Scenario(replicas=4, channel_period_s=channel_period_s)
    one, four = (compare(workload, replace(scenario, gateways=gateways), POLICIES, [OURS])[0] for gateways in (1, 4))
    assert four.hit_tokens >= 0.98 * one.hit_tokens
    assert four.ttft_p50_ms <= 1.05 * one.ttft_p50_ms
    assert four.ttft_p90_ms <= p90_bound * one.ttft_p90_ms


@pytest.mark.slow
def test_gate_channels_let_four_gateways_wait_as_little_as_one() -> None:
    """Long prompts, whose place in a queue matters: what is known 20 ms later is known in time, and not what is 250 ms later."""
    workload = first("unique", 1500)
    one = compare(workload, Scenario(replicas=4), POLICIES, [OURS])[0]
    four, late = (
        compare(workload, Scenario(replicas=4, gateways=4, channel_period_s=period_s), POLICIES, [OURS])[0]
        for period_s in (CHANNEL_PERIOD_S, 0.0)
    )
    assert four.ttft_mean_ms <= 1.03 * one.ttft_mean_ms
    assert four.ttft_mean_ms < late.ttft_mean_ms


def test_a_gateway_hears_over_its_channel_soon_after_a_change_and_through_serve_where_it_has_none() -> None:
    heard: dict[int, list[float]] = {0: [], 1: []}

    class Listening(LeastLoaded):
        def __init__(self, number: int) -> None:
            super().__init__(seed=number)
            self.number = number

        def reported(self, replica_id: str, report: ReplicaReport, now_s: float) -> None:
            heard[self.number].append(now_s)

    workload = first("unique", 1)
    request = workload.requests[0]
    scenario = Scenario(replicas=1, gateways=2, channel_period_s=0.02)
    outcome = Simulation(workload, scenario, lambda settings, seed: Listening(seed % 1000)).run()
    mine = outcome.trips[0].gateway
    assert heard[mine][-1] != pytest.approx(0.25)
    after = [at_s - request.arrival_s for at_s in heard[mine] if at_s > request.arrival_s]
    assert after[0] == pytest.approx(CHANNEL_DELAY_S)
    assert all(later - sooner >= 0.02 - 1e-9 for sooner, later in pairwise(after))
    assert all(at_s / REPORT_PERIOD_S == pytest.approx(round(at_s / REPORT_PERIOD_S)) for at_s in heard[1 - mine])


def test_requests_recorded_at_the_same_instant_can_be_spread_over_the_time_after_it() -> None:
    whole = first("unique", 6)
    workload = replace(whole, requests=[replace(r, arrival_s=3.0 * (n // 3)) for n, r in enumerate(whole.requests)])
    spread = spread_arrivals(workload, 3.0)
    assert [request.arrival_s for request in spread.requests] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [request.blocks for request in spread.requests] == [request.blocks for request in workload.requests]


@pytest.mark.parametrize("gateways", [1, 4])
def test_gate_a_popular_prefix_gets_as_many_copies_as_it_needs(gateways: int) -> None:
    """One prefix alone asks for more than three replicas of sixteen; nothing is gained by waiting for those that hold it first."""
    workload = first("groups", 4000, replicas=16)
    scenario = Scenario(replicas=16, gateways=gateways)
    ours, least = compare(workload, scenario, POLICIES, [OURS, "least_load"])
    assert ours.of_oracle >= 0.95
    assert ours.load_spread <= 1.3
    assert ours.ttft_p50_ms < least.ttft_p50_ms
    assert ours.ttft_p90_ms < least.ttft_p90_ms


def test_gate_a_replay_is_quick() -> None:
    """The hour of Mooncake's trace has 12,031 requests and may take a minute of one core: 200 a second."""
    workload = first("chats", 700)
    began_s = time.process_time()
    compare(workload, Scenario(replicas=8), POLICIES, [OURS])
    assert len(workload.requests) / (time.process_time() - began_s) >= 200


@pytest.mark.slow
def test_gate_gateways_that_are_told_find_more_than_those_that_believe() -> None:
    # Less cache than the prefixes need: something is always being evicted.
    profile = replace(GPT_OSS_120B_H200, kv_tokens=150_000)
    hits: dict[str, int] = {}
    for index in INDEXES:
        scenario = Scenario(replicas=4, gateways=4, profile=profile, settings=GatewaySettings(index=index))
        (report,) = compare(first("organizations", 1500), scenario, POLICIES, [OURS])
        hits[index] = report.hit_tokens
    assert hits["precise"] >= 1.1 * hits["soft"]


def test_what_a_gateway_is_told_is_what_the_engines_have() -> None:
    profile = replace(GPT_OSS_120B_H200, kv_tokens=100_000)
    scenario = Scenario(replicas=3, gateways=2, profile=profile, settings=GatewaySettings(index="precise"))
    simulation = Simulation(first("organizations", 200), scenario, POLICIES[OURS])
    outcome = simulation.run()
    simulation._reports.tell_all(outcome.ended_s)
    told, found = [], []
    for trip in outcome.trips:
        chain = simulation._chains.chain(trip.request)
        for listener in simulation._listeners:
            answers = listener.table.lookup(chain)
            assert answers.keys() == {engine.replica_id for engine in outcome.engines}
            for engine in outcome.engines:
                answer = answers[engine.replica_id]
                told.append(answer.tokens if answer is not None else 0)
                found.append(engine.cache.matched_tokens(trip.request.blocks))
    assert max(found) > 5000
    interval = outcome.engines[0].profile.retention_interval_tokens
    assert interval is not None
    assert [pair for pair in zip(told, found, strict=True) if abs(pair[0] - pair[1]) > interval] == []


def test_no_policy_finds_more_than_the_oracle_where_nothing_is_evicted() -> None:
    for report in compare(first("organizations", 250), Scenario(replicas=2), POLICIES, POLICIES):
        assert report.hit_tokens <= report.oracle_hit_tokens


def test_a_trace_is_read_in_mooncakes_format(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    path.write_text(
        '{"timestamp": 3000, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}\n\n'
        '{"timestamp": 0, "input_length": 512, "output_length": 0, "hash_ids": [1]}\n'
    )
    workload = read_trace(path)
    assert [(request.arrival_s, request.blocks) for request in workload.requests] == [(0.0, (1,)), (3.0, (1, 2))]
    assert workload.block_tokens == 512


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{}", "line 1"),
        ('{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1]}', "hash id"),
        ('{"timestamp": 0, "input_length": 0, "output_length": 5, "hash_ids": []}', "positive"),
        ("", "no requests"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_line(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(TraceError, match=why):
        read_trace(path)


def test_a_plot_has_a_bar_for_each_policy_and_figure() -> None:
    found = compare(first("chats", 50), Scenario(replicas=2), POLICIES, ["random", OURS])
    drawn = svg("a <title>", found)
    assert drawn.count("<rect") == 1 + 3 * 2 + 3
    assert "a &lt;title&gt;" in drawn
