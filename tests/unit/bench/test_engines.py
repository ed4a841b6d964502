"""The workload of many organizations and its summary."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.engines.drive import summary
from bench.engines.workload import Workload, first_asks, prefixes, schedule
from bench.load import Outcome, Sample

WORKLOAD = Workload(organizations=6, users=5, requests_per_user=4, prefix_tokens=200, question_tokens=10)


def test_every_organization_has_a_prompt_of_its_own_and_as_many_requests() -> None:
    asks = schedule(WORKLOAD, rate_per_s=2.0, bytes_per_token=3.0)
    assert Counter(ask.organization for ask in asks) == dict.fromkeys(range(6), 20)
    assert len(set(prefixes(WORKLOAD, 3.0))) == 6
    assert all(ask.prefix == prefixes(WORKLOAD, 3.0)[ask.organization] for ask in asks)
    assert len({ask.question for ask in asks}) == len(asks)


def test_every_policy_gets_the_same_requests_at_the_same_times() -> None:
    assert schedule(WORKLOAD, 2.0, 3.0) == schedule(WORKLOAD, 2.0, 3.0)
    assert schedule(WORKLOAD, 2.0, 3.0) != schedule(Workload(**{**vars_of(WORKLOAD), "seed": 2}), 2.0, 3.0)


def vars_of(workload: Workload) -> dict[str, int]:
    return {name: getattr(workload, name) for name in workload.__slots__}


def test_requests_arrive_at_the_rate_asked_for() -> None:
    asks = schedule(WORKLOAD, rate_per_s=2.0, bytes_per_token=3.0)
    assert [ask.at_s for ask in asks] == sorted(ask.at_s for ask in asks)
    assert asks[-1].at_s == pytest.approx(len(asks) / 2.0, rel=0.3)


def test_the_first_requests_bring_every_prefix_once() -> None:
    first = first_asks(WORKLOAD, 3.0)
    assert [ask.prefix for ask in first] == prefixes(WORKLOAD, 3.0)
    assert not {ask.question for ask in first} & {ask.question for ask in schedule(WORKLOAD, 2.0, 3.0)}


def test_a_prefix_has_about_as_many_bytes_as_tokens_ask_for() -> None:
    assert all(len(prefix) == pytest.approx(600, abs=12) for prefix in prefixes(WORKLOAD, 3.0))


def test_the_summary_counts_hits_by_tokens() -> None:
    samples = [
        Sample(0.0, first_s=float(number), end_s=9.0, completion_tokens=1, prompt_tokens=1000, cached_tokens=cached)
        for number, cached in ((1, 0), (2, 500), (3, 1000))
    ]
    figures = summary(Outcome(samples, ["Refused: 503"], wall_s=9.0))
    assert figures["hit_share"] == 0.5
    assert figures["ttft_p50_s"] == 2.0
    assert figures["ttft_p90_s"] == 3.0
    assert figures["failed"] == 1
