from __future__ import annotations

import random

import pytest

from cluster.routing.backlog import Backlog
from cluster.routing.calibration import Calibration
from cluster.routing.pending import PendingPrompts
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
    assert backlog.sent("b", 3.0, 1500, now_s=10.0) == 1
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


def test_reports_count_where_they_tell_of_more_than_was_sent_from_here() -> None:
    backlog = Backlog()
    backlog.sent("a", 1.0, 500, now_s=0.0)
    backlog.reported(400, 0.8, now_s=0.5)
    assert backlog.wait_s(0.5) == pytest.approx(0.5)
    backlog.reported(5000, 10.0, now_s=0.5)
    assert backlog.wait_s(0.5) == pytest.approx(10.0)


def test_a_replica_adds_up_what_all_gateways_sent_it() -> None:
    pending = PendingPrompts()
    pending.arrived("r1", ArrivedTicket((b"a",), 1000), 0.0)
    pending.arrived("r2", ArrivedTicket((b"b",), 500), 0.0)
    assert pending.report(0.0) == {"pending_tokens": 1500.0, "marks": (b"a", b"b")}
    pending.computed("r1", 1.0)
    pending.computed("r1", 1.0)
    assert 0.0 < pending.pending_tokens(1.0) <= 500.0
    assert pending.pending_tokens(3.0) < pending.pending_tokens(1.0)
    pending.computed("r2", 4.0)
    assert pending.report(4.0) == {"pending_tokens": 0.0, "marks": ()}
