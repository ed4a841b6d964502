"""One simulated replica against sums made by hand."""

from __future__ import annotations

from math import inf

import pytest

from cluster.replay.engine import Job, SimulatedEngine
from cluster.replay.engine_profile import EngineProfile
from cluster.replay.workload import SimulatedRequest

PROFILE = EngineProfile(
    name="test",
    step_ms=10.0,
    prefill_ms_per_token=0.1,
    attention_ms_per_pair=0.0,
    decode_ms_per_sequence=1.0,
    decode_ms_per_context_token=0.0,
    max_batched_tokens=1000,
    kv_tokens=100_000,
)


class Machine:
    def __init__(self, profile: EngineProfile = PROFILE) -> None:
        self.first: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.engine = SimulatedEngine("r", profile, 100, self._on_first, self._on_end)

    def _on_first(self, job: Job, now_s: float) -> None:
        self.first[job.request.org] = now_s

    def _on_end(self, job: Job, now_s: float) -> None:
        self.ended[job.request.org] = now_s

    def send(self, name: str, at_s: float, tokens: int, output: int, blocks: tuple[int, ...] = ()) -> Job:
        while self.engine.next_event_s <= at_s:
            self.engine.advance()
        job = Job(SimulatedRequest(at_s, name, tokens, output, blocks), at_s)
        self.engine.enqueue(job, at_s)
        return job

    def run(self) -> None:
        while self.engine.next_event_s < inf:
            self.engine.advance()


def test_a_prompt_takes_its_steps_and_each_further_token_one_more() -> None:
    machine = Machine()
    machine.send("a", 1.0, tokens=1500, output=3)
    machine.run()
    assert machine.first["a"] == pytest.approx(1.0 + 0.110 + 0.060)  # 1,000 tokens in a step, then 500
    assert machine.ended["a"] == pytest.approx(machine.first["a"] + 2 * 0.011)


def test_cached_tokens_are_not_computed_but_for_the_last_one() -> None:
    machine = Machine()
    machine.send("a", 0.0, 500, 1, (1, 2, 3, 4, 5))
    machine.run()
    again = machine.send("b", 10.0, 500, 1, (1, 2, 3, 4, 5))
    machine.run()
    assert again.cached_tokens == 499
    assert machine.first["b"] == pytest.approx(10.0 + 0.0101)


def test_prompts_are_computed_in_the_order_of_arrival() -> None:
    machine = Machine()
    machine.send("a", 0.0, 1000, 1)
    machine.send("b", 0.01, 1000, 1)
    machine.run()
    assert machine.first["a"] == pytest.approx(0.110)
    assert machine.first["b"] == pytest.approx(0.220)


def test_a_prompt_that_arrives_while_others_decode_begins_after_the_step_in_progress() -> None:
    machine = Machine()
    machine.send("a", 0.0, 100, 50)
    job = machine.send("b", 0.0255, 100, 1)
    machine.run()
    # a's first token at 20 ms, then steps of 11 ms: the one from 20 to 31 is in progress.
    assert job.scheduled_s == pytest.approx(0.031)
    # b's step decodes a as well.
    assert machine.first["b"] == pytest.approx(0.031 + 0.010 + 0.010 + 0.001)


def test_a_request_waits_until_its_keys_and_values_fit() -> None:
    machine = Machine(EngineProfile("small", 10.0, 0.1, 0.0, 1.0, 0.0, 1000, kv_tokens=1000))
    machine.send("a", 0.0, 600, 100, tuple(range(6)))
    blocked = machine.send("b", 0.001, 600, 100, tuple(range(10, 16)))
    machine.run()
    assert blocked.scheduled_s == pytest.approx(machine.ended["a"])
    machine.engine.cache.check_integrity()


def test_nothing_is_left_over_when_all_have_ended() -> None:
    machine = Machine()
    for number in range(20):
        machine.send(f"{number}", number * 0.013, 300 + number, 5 + number, tuple(range(number * 10, number * 10 + 4)))
    machine.run()
    assert machine.engine.ongoing == 0
    assert machine.engine.cache.used_blocks == 0
    assert machine.engine.pending_tokens == 0
    assert machine.engine.totals.output_tokens == sum(5 + number for number in range(20))
