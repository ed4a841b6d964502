"""What a replica counts of its prompts for autoscaling."""

from __future__ import annotations

from cluster.engine.prompt_waits import WINDOW_S, PromptWaits


def counts(waits: PromptWaits, now_s: float) -> tuple[float, float, float]:
    stats = waits.stats(now_s)
    return stats["prompts"], stats["late"], stats["forced_off"]


def test_a_prompt_is_late_when_its_first_token_is() -> None:
    waits = PromptWaits(target_ttft_ms=500.0)
    for number, took_s in enumerate((0.4, 0.5, 0.6)):
        waits.arrived(str(number), 0.0, forced_off=False)
        waits.first_token(str(number), took_s)
        waits.first_token(str(number), 9.0)
        waits.ended(str(number), 10.0)
    assert counts(waits, 10.0) == (3, 1, 0)


def test_a_prompt_that_still_waits_is_late_from_its_target_on() -> None:
    waits = PromptWaits(target_ttft_ms=500.0)
    waits.arrived("a", 0.0, forced_off=False)
    assert counts(waits, 0.5) == (1, 0, 0)
    assert counts(waits, 0.6) == (1, 1, 0)
    assert counts(waits, 1000.0) == (1, 1, 0), "it waits still"


def test_one_that_was_given_up_counts_only_if_it_was_late() -> None:
    waits = PromptWaits(target_ttft_ms=500.0)
    for name in ("early", "late"):
        waits.arrived(name, 0.0, forced_off=True)
    waits.ended("early", 0.4)
    waits.ended("late", 0.6)
    assert counts(waits, 1.0) == (1, 1, 1)


def test_counts_are_of_the_last_half_minute() -> None:
    waits = PromptWaits(target_ttft_ms=500.0)
    for came_s in (0.0, 10.0):
        waits.arrived("a", came_s, forced_off=True)
        waits.first_token("a", came_s + 1.0)
    assert counts(waits, WINDOW_S + 1.0) == (2, 2, 2)
    assert counts(waits, WINDOW_S + 2.0) == (1, 1, 1)
    assert counts(waits, WINDOW_S + 20.0) == (0, 0, 0)


def test_without_a_target_nothing_is_late() -> None:
    waits = PromptWaits(target_ttft_ms=None)
    waits.arrived("a", 0.0, forced_off=True)
    waits.arrived("b", 0.0, forced_off=False)
    waits.first_token("b", 100.0)
    assert counts(waits, 100.0) == (2, 0, 1)


def test_what_nobody_asks_for_is_forgotten() -> None:
    waits = PromptWaits(target_ttft_ms=None)
    for second in range(1000):
        waits.arrived(str(second), second, forced_off=False)
        waits.first_token(str(second), second)
    assert len(waits._served) <= WINDOW_S + 1
