from __future__ import annotations

import math
import random

import pytest

from cluster.routing.backlog import Backlog
from cluster.routing.calibration import Calibration
from cluster.routing.pending import LoadReport, PendingPrompts
from cluster.routing.ticket import ArrivedTicket


def test_the_prefill_rate_is_that_of_prompts_that_share_no_steps() -> None:
    rates, rng = Calibration(), random.Random(1)
    for _ in range(2000):
        tokens = rng.randint(1024, 20_000)
        shared = rng.choice([1.0, 1.0, 1.0, 1.7, 3.0])
        rates.prefill(tokens, tokens * 0.1 * shared / 1000.0)
    assert rates.prefill_ms_per_token == pytest.approx(0.1, rel=0.15)


def test_the_length_of_tokens_is_learned_within_a_few_dozen_answers() -> None:
    rates = Calibration()
    for _ in range(200):
        rates.prompt(6000, 1000)
    assert rates.bytes_per_token == pytest.approx(6.0, rel=0.05)


def test_prefixes_are_trusted_up_to_the_age_at_which_they_turn_out_to_be_gone() -> None:
    rates, rng = Calibration(), random.Random(1)
    for _ in range(3000):
        age_s = rng.uniform(0.0, 200.0)
        rates.found(age_s, 1.0 if age_s < 60.0 else 0.0)
    assert rates.lifetime_s == pytest.approx(60.0, rel=0.15)
    assert rates.survival(5.0) > 0.95
    assert rates.survival(150.0) < 0.1


def test_what_more_sequences_add_to_a_step_is_found_under_noise() -> None:
    rates, rng = Calibration(), random.Random(1)
    for _ in range(3000):
        load = rng.randint(0, 60)
        rates.decoded(101, (8.0 + 0.4 * load + rng.gauss(0.0, 1.0)) * 100 / 1000.0, load)
    assert rates.decode_ms(10.0) == pytest.approx(0.4 * 101 * 10.0, rel=0.1)


def test_a_backlog_is_worked_off_in_time_and_corrected_by_what_has_happened() -> None:
    backlog = Backlog()
    assert backlog.sent("a", 2.0, 1000, now_s=10.0) == 0
    assert backlog.sent("b", 3.0, 1500, now_s=10.0) == 2.0, "seconds before it"
    assert backlog.wait_s(11.0) == pytest.approx(4.0)
    backlog.computed("a", 11.0)
    assert backlog.wait_s(11.0) == pytest.approx(3.0)
    backlog.computed("b", 13.0)
    assert backlog.wait_s(13.0) == 0.0
    assert backlog.sent("c", 1.0, 500, now_s=20.0) == 0


def test_a_prompt_that_is_overdue_tells_of_work_that_is_not_known() -> None:
    backlog = Backlog()
    backlog.sent("a", 1.0, 500, now_s=0.0)
    assert backlog.wait_s(4.0) == pytest.approx(3.0)


S_PER_TOKEN = 0.002


def test_reports_count_where_they_tell_of_more_than_was_sent_from_here() -> None:
    backlog = Backlog()
    backlog.sent("a", 1.0, 500, now_s=0.0)
    backlog.reported(400, 500, S_PER_TOKEN, now_s=0.5)
    assert backlog.wait_s(0.5) == pytest.approx(0.5)
    backlog.reported(5000, 5500, S_PER_TOKEN, now_s=0.5)
    assert backlog.wait_s(0.5) == pytest.approx(10.0)
    backlog.reported(1000, 5500, S_PER_TOKEN, now_s=1.0)
    assert backlog.wait_s(1.0) == pytest.approx(2.0), "a later report replaces what was told before"


def test_work_of_others_stays_known_when_a_prompt_of_this_gateway_is_done() -> None:
    backlog = Backlog()
    backlog.sent("a", 1.0, 500, now_s=0.0)
    backlog.reported(1500, 1500, S_PER_TOKEN, now_s=0.0)
    backlog.computed("a", 1.0)
    assert backlog.wait_s(1.0) == pytest.approx(2.0)


def test_a_replica_that_should_be_through_is_waited_for_until_it_says_so_but_not_for_ever() -> None:
    backlog = Backlog()
    backlog.reported(500, 500, S_PER_TOKEN, now_s=0.0)
    assert backlog.wait_s(4.0) == pytest.approx(3.0)
    assert backlog.wait_s(60.0) == 0.0
    backlog.reported(0, 500, S_PER_TOKEN, now_s=4.0)
    assert backlog.wait_s(4.0) == 0.0


def test_utilization_is_what_anybody_gave_where_replicas_tell_and_guessed_from_ones_own_where_not() -> None:
    silent, telling = Backlog(), Backlog()
    for backlog in (silent, telling):
        backlog.sent("a", 6.0, 3000, now_s=0.0)
    assert silent.utilization(0.0, gateways=3.0) == pytest.approx(0.3)
    telling.reported(0, 100_000, S_PER_TOKEN, now_s=0.0)
    telling.reported(0, 112_000, S_PER_TOKEN, now_s=0.0)
    assert telling.utilization(0.0, gateways=3.0) == pytest.approx(0.4)
    assert telling.utilization(60.0, gateways=3.0) == pytest.approx(0.4 / math.e)


def test_what_was_sent_before_a_replica_told_first_counts_though_no_report_has_it() -> None:
    backlog = Backlog()
    backlog.sent("a", 6.0, 3000, now_s=0.0)
    backlog.reported(3000, 3000, S_PER_TOKEN, now_s=0.0)
    assert backlog.utilization(0.0, gateways=1.0) == pytest.approx(0.1)


def test_long_prompts_delay_more_than_short_ones() -> None:
    even, uneven = Calibration(), Calibration()
    for _ in range(3000):
        even.sent(100.0, 100.0, 2.0, 0.5)
        # The same number before each; what is before is long, and what has answers beside it is short.
        uneven.sent(200.0, 0.0, 0.0, 0.0)
        uneven.sent(50.0, 200.0, 4.0, 0.5)
    assert even.behind_at(0.25) == pytest.approx(0.5, rel=0.05)
    assert even.behind_at(1.0) == pytest.approx(2.0, rel=0.05)
    assert even.crowding == pytest.approx(1.0 + 1.0 + 2.0, rel=0.05)
    assert uneven.crowding == pytest.approx(1.0 + 200.0 / 250.0 + 4.0 * 50.0 / 250.0, rel=0.05)


def test_tokens_that_evict_what_is_asked_for_again_cost_more() -> None:
    rates = Calibration()
    assert rates.recomputed == 1.0
    for _ in range(3000):
        rates.computed(1000, 0)
    assert rates.recomputed == 1.0
    for _ in range(6000):
        rates.computed(1000, 200)
    assert rates.recomputed == pytest.approx(1.25, rel=0.02)
    for _ in range(6000):
        rates.computed(1000, 5000)
    assert rates.recomputed == 2.0


def test_a_replica_adds_up_what_all_gateways_sent_it() -> None:
    pending = PendingPrompts()
    pending.arrived("r1", ArrivedTicket((b"a",), 1000), 0.0)
    pending.arrived("r2", ArrivedTicket((b"b",), 500), 0.0)
    assert pending.stats(0.0) == {"number": 2, "ongoing": 2, "pending_tokens": 1500.0, "given_tokens": 1500, "marks": (b"a", b"b")}
    pending.computed("r1", 1.0)
    pending.computed("r1", 1.0)
    assert 0.0 < pending.pending_tokens(1.0) <= 500.0
    assert pending.pending_tokens(3.0) < pending.pending_tokens(1.0)
    pending.computed("r2", 4.0)
    assert pending.stats(4.0) == {"number": 4, "ongoing": 2, "pending_tokens": 0.0, "given_tokens": 1500, "marks": ()}
    pending.ended("r1", 5.0)
    pending.ended("r1", 5.0)
    assert pending.stats(5.0) == {"number": 5, "ongoing": 1, "pending_tokens": 0.0, "given_tokens": 1500, "marks": ()}


def test_prompts_that_are_computed_together_do_not_make_the_next_one_look_done() -> None:
    """10,000 tokens a second, two prompts in each of the engine's steps; one long prompt follows."""
    pending, now_s = PendingPrompts(), 0.0
    for number in range(100):
        for name in ("a", "b"):
            pending.arrived(f"{name}{number}", ArrivedTicket((), 2500), now_s)
        now_s += 0.5
        pending.computed(f"a{number}", now_s)
        pending.computed(f"b{number}", now_s + 50e-6)
        for name in ("a", "b"):
            pending.ended(f"{name}{number}", now_s + 0.1)
        now_s += 0.2
    pending.arrived("long", ArrivedTicket((), 100_000), now_s)
    assert pending.pending_tokens(now_s + 1.0) == pytest.approx(90_000, rel=0.01)


def test_prompts_that_are_given_up_say_nothing_of_the_rate() -> None:
    pending = PendingPrompts()
    for number in range(100):
        pending.arrived(f"r{number}", ArrivedTicket((), 2500), number)
        pending.computed(f"r{number}", number + 0.25)
        pending.ended(f"r{number}", number + 0.25)
        pending.arrived(f"gone{number}", ArrivedTicket((), 100_000), number + 0.5)
        pending.ended(f"gone{number}", number + 0.51)
    pending.arrived("head", ArrivedTicket((), 10_000), 100.0)
    pending.arrived("next", ArrivedTicket((), 100_000), 100.0)
    pending.ended("head", 100.5)
    assert pending.pending_tokens(100.5) == 100_000
    assert pending.pending_tokens(101.5) == pytest.approx(90_000, rel=0.01)


def test_news_have_each_mark_once_and_every_change_is_told_of() -> None:
    pending = PendingPrompts()
    changes = 0

    def count() -> None:
        nonlocal changes
        changes += 1

    pending.on_change = count
    pending.arrived("r1", ArrivedTicket((b"a",), 1000), 0.0)
    assert pending.news(0.0) == LoadReport(1, 1, 1000.0, 1000, (b"a",))
    pending.arrived("r2", ArrivedTicket((b"b",), 500), 0.0)
    pending.arrived("r3", None, 0.0)
    assert pending.news(0.0) == LoadReport(3, 3, 1500.0, 1500, (b"b",))
    pending.ended("r1", 1.0)
    pending.computed("r2", 2.0)
    pending.ended("r2", 3.0)
    assert changes == 7
    assert pending.news(3.0) == LoadReport(7, 1, 0.0, 1500, ())


def test_what_ray_serve_carries_is_the_same_state() -> None:
    pending = PendingPrompts()
    pending.arrived("r1", ArrivedTicket((b"a",), 1000), 0.0)
    assert LoadReport.of_stats(pending.stats(0.5)) == pending.news(0.5)


@pytest.mark.parametrize("ms_per_token", [0.002, 3.0])
def test_engines_far_from_the_prior_are_known_after_a_few_prompts(ms_per_token: float) -> None:
    rates = Calibration()
    for _ in range(5):
        rates.prefill(2000, 2000 * ms_per_token / 1000)
    assert rates.prefill_ms_per_token == pytest.approx(ms_per_token, rel=0.01)
