"""The workload of many organizations and its summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bench.engines import calibrate, prediction
from bench.engines.capacity import blocks_of_prompt, cache_bytes
from bench.engines.drive import summary
from bench.engines.workload import Workload, first_asks, prefixes, schedule
from bench.load import Outcome, Sample
from cluster.replay.engine_profile import EngineProfile

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


# --- the replay beside it -------------------------------------------------------------------------------------------------

PROFILE = EngineProfile("here", 20.0, 1.5, 4e-4, 5.0, 0.0, max_batched_tokens=2048, max_sequences=16, kv_tokens=20_000)


def sample(tokens: int, cached: int = 0, answered: int = 24) -> Sample:
    computed = tokens - cached
    ttft_s = (PROFILE.step_ms + PROFILE.prefill_ms_per_token * computed + PROFILE.attention_ms_per_pair * computed**2 / 2) / 1e3
    end_s = ttft_s + (answered - 1) * (PROFILE.step_ms + PROFILE.decode_ms_per_sequence) / 1e3
    return Sample(0.0, ttft_s, end_s, prompt_tokens=tokens, cached_tokens=cached, completion_tokens=answered)


def test_the_fitted_profile_is_the_one_that_the_times_came_from() -> None:
    samples = [sample(tokens) for tokens in calibrate.PROMPT_TOKENS] + [sample(1500, cached=512)]
    engine = {"max_num_seqs": 16, "prefix_cache_retention_interval": None}
    fitted = calibrate.fitted(samples, "here", engine, kv_tokens=20_000)
    for name in ("step_ms", "prefill_ms_per_token", "attention_ms_per_pair", "decode_ms_per_sequence"):
        assert getattr(fitted, name) == pytest.approx(getattr(PROFILE, name), rel=1e-6)


def test_no_rate_is_below_zero_whatever_the_noise() -> None:
    concave = [Sample(0.0, (0.5 + tokens**0.5 / 100), prompt_tokens=tokens) for tokens in calibrate.PROMPT_TOKENS]
    fitted = calibrate.fitted(concave, "here", {"max_num_seqs": 1}, kv_tokens=1)
    assert min(fitted.prefill_ms_per_token, fitted.attention_ms_per_pair, fitted.step_ms) >= 0.0


def test_organizations_share_their_prefix_and_nothing_else() -> None:
    first, asks = first_asks(WORKLOAD, 3.0), schedule(WORKLOAD, 2.0, 3.0)
    tokens = dict.fromkeys((*first, *asks), 210)
    workload, began_s = prediction.as_workload(first, asks, tokens, block_tokens=32)
    assert len(workload.requests) == len(first) + len(asks)
    assert workload.requests[len(first)].arrival_s == began_s + asks[0].at_s
    by_org: dict[str, set[tuple[int, ...]]] = {}
    for request in workload.requests:
        assert len(request.blocks) == 7
        by_org.setdefault(request.org, set()).add(request.blocks[:6])
    assert {len(heads) for heads in by_org.values()} == {1}
    assert len(set().union(*by_org.values())) == len(by_org)


def test_a_policy_that_keeps_organizations_together_is_predicted_to_hit_more() -> None:
    first, asks = first_asks(WORKLOAD, 3.0), schedule(WORKLOAD, 0.5, 3.0)
    workload, began_s = prediction.as_workload(first, asks, dict.fromkeys((*first, *asks), 1500), block_tokens=32)
    profile = replace(PROFILE, kv_tokens=6_000)
    ours, random = (prediction.predicted(workload, began_s, profile, policy, 2) for policy in ("affinity", "random"))
    assert ours["hit_share"] > random["hit_share"] + 0.2
    assert ours["ttft_p90_s"] < random["ttft_p90_s"]
    assert "affinity" in prediction.render({"affinity": ours}, {"affinity": ours})


# --- how much they hold ---------------------------------------------------------------------------------------------------


def test_a_prompt_keeps_all_of_its_full_attention_blocks_and_windows_of_the_others() -> None:
    # 1,540 tokens: 49 blocks of 32; four of a window before each of six multiples of 256 and before the end.
    assert blocks_of_prompt(1540, window_tokens=128, interval_tokens=256) == 49 + 4 * 7
    # Every 64 tokens the windows overlap, and no block is kept twice.
    assert blocks_of_prompt(1540, window_tokens=128, interval_tokens=64) == 49 + 49


def test_the_cache_is_for_so_many_prompts_and_not_for_twice_as_many() -> None:
    config = {"num_key_value_heads": 4, "head_dim": 64, "sliding_window": 128}
    one = cache_bytes(config, 6, "bfloat16", 1, 1540, 256)
    assert one == 77 * 32 * 3 * 2 * 4 * 64 * 2
    assert cache_bytes(config, 6, "bfloat16", 8.0, 1540, 256) == 8 * one
