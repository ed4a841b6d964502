"""One simulated engine replica: continuous batching with chunked prefill, step by step where prompts are computed.

The scheduler is vLLM's in short: each step decodes one token of every running sequence and spends what is left of its token budget
on prompts, first come, first served. While nothing but decoding goes on, whole runs of steps are taken at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from cluster.replay.engine_profile import EngineProfile
from cluster.replay.kv_cache import KvCache
from cluster.replay.residency import SimulatedResidency
from cluster.replay.workload import SimulatedRequest


@dataclass(slots=True, eq=False)
class Job:
    """A request on a replica. Times in seconds of the simulation; ``cached_tokens`` is known once it is scheduled.

    ``expected_tokens``, ``marks`` and ``chain``: what its ticket says. ``name`` is its own.
    """

    request: SimulatedRequest
    enqueued_s: float
    scheduled_s: float = -1.0
    first_token_s: float = -1.0
    cached_tokens: int = 0
    computed_tokens: int = 0
    reserved_blocks: int = 0
    expected_tokens: int = 0
    marks: tuple[bytes, ...] = ()
    chain: tuple[bytes, ...] = ()
    name: str = ""


@dataclass(slots=True)
class EngineTotals:
    """What a replica has done. ``work_ms``: engine time spent on prompts and decoding, without the fixed cost of steps."""

    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    work_ms: float = 0.0
    max_used_blocks: int = 0
    in_flight_s: float = 0.0


OnJob = Callable[[Job, float], None]


@dataclass(slots=True, eq=False)
class SimulatedEngine:
    """``on_first_token`` and ``on_finished`` are called with a job and the time at which it happened."""

    replica_id: str
    profile: EngineProfile
    block_tokens: int
    on_first_token: OnJob
    on_finished: OnJob
    totals: EngineTotals = field(default_factory=EngineTotals)
    next_event_s: float = math.inf
    cache: KvCache = field(init=False)
    given_tokens: int = 0  # that gateways expected it to compute
    recent_marks: list[bytes] = field(default_factory=list)  # since the last report through Ray Serve
    fresh_marks: list[bytes] = field(default_factory=list)  # since the last one over channels
    residency: SimulatedResidency | None = None
    _waiting: deque[Job] = field(default_factory=deque)
    _prefilling: deque[Job] = field(default_factory=deque)
    _decoding: list[tuple[int, int, Job]] = field(default_factory=list)  # heap by the step in which they end
    _chunks: list[tuple[Job, int]] = field(default_factory=list)  # of the step in progress
    _steps_done: int = 0
    _run_steps: int = 0  # steps of the run in progress, 0 when idle
    _run_started_s: float = 0.0
    _step_s: float = 0.0
    _step_work_ms: float = 0.0
    _context_tokens: int = 0  # of all decoding sequences
    _number: int = 0

    def __post_init__(self) -> None:
        capacity = max(1, self.profile.kv_tokens // self.block_tokens)
        self.cache = KvCache(capacity, self.block_tokens, self.profile.retention_interval_tokens)

    @property
    def ongoing(self) -> int:
        """Requests here, running or waiting."""
        return len(self._waiting) + len(self._prefilling) + len(self._decoding)

    @property
    def pending_tokens(self) -> int:
        """Prompt tokens that are still to be computed: what gateways expected of prompts that wait, the rest of those begun."""
        waiting = sum([job.expected_tokens for job in self._waiting])
        return waiting + sum([job.request.input_tokens - job.computed_tokens for job in self._prefilling])

    @property
    def jobs(self) -> list[Job]:
        """All of them."""
        return [*self._waiting, *self._prefilling, *(job for _, _, job in self._decoding)]

    def enqueue(self, job: Job, now_s: float) -> None:
        """A request arrives. It is seen when the step in progress has ended."""
        self._waiting.append(job)
        self.given_tokens += job.expected_tokens
        self.recent_marks += job.marks
        self.fresh_marks += job.marks
        if self._run_steps == 0:
            self._begin_run(now_s)
        elif not self._chunks:
            # A run of decoding steps is cut short behind the step in progress.
            steps = math.ceil((now_s - self._run_started_s) / self._step_s - 1e-9)
            self._run_steps = max(1, min(self._run_steps, steps))
            self.next_event_s = self._run_started_s + self._run_steps * self._step_s

    def advance(self) -> None:
        """The run in progress has ended: tell what came of it and begin the next one."""
        now_s, steps, decoding = self.next_event_s, self._run_steps, len(self._decoding)
        self._steps_done += steps
        self.totals.work_ms += steps * self._step_work_ms
        self._context_tokens += steps * decoding
        self.totals.output_tokens += steps * decoding
        while self._decoding and self._decoding[0][0] <= self._steps_done:
            self._finish(heappop(self._decoding)[2], now_s)
        for job, tokens in self._chunks:
            job.computed_tokens += tokens
            if job.computed_tokens == job.request.input_tokens:
                self._prefilling.popleft()
                self._first_token(job, now_s)
        self._begin_run(now_s)

    def _first_token(self, job: Job, now_s: float) -> None:
        job.first_token_s = now_s
        self.totals.output_tokens += 1
        self._context_tokens += job.request.input_tokens
        self._number += 1
        if self.residency is not None:
            self.residency.computed(job.name, job.request.input_tokens)
        more = job.request.output_tokens - 1
        self.on_first_token(job, now_s)
        if more > 0:
            heappush(self._decoding, (self._steps_done + more, self._number, job))
        else:
            self._finish(job, now_s)

    def _finish(self, job: Job, now_s: float) -> None:
        request = job.request
        self._context_tokens -= request.input_tokens + max(0, request.output_tokens - 1)
        self.cache.release(request.blocks, job.reserved_blocks)
        if self.residency is not None:
            self.residency.ended(job.name)
        self.totals.in_flight_s += now_s - job.enqueued_s
        self.on_finished(job, now_s)

    def _begin_run(self, now_s: float) -> None:
        profile, decoding = self.profile, len(self._decoding)
        self._chunks = []
        budget = profile.max_batched_tokens - decoding
        work_ms = profile.decode_ms_per_sequence * decoding + profile.decode_ms_per_context_token * self._context_tokens
        for job in self._prefilling:
            budget, work_ms = self._chunk(job, budget, work_ms)
            if budget <= 0:
                break
        while budget > 0 and self._waiting and self._admit(self._waiting[0], now_s):
            job = self._waiting.popleft()
            self._prefilling.append(job)
            budget, work_ms = self._chunk(job, budget, work_ms)
        self._run_started_s = now_s
        if self._chunks:
            self._run_steps = 1
        elif self._decoding:
            self._run_steps = self._decoding[0][0] - self._steps_done
            work_ms += profile.decode_ms_per_context_token * decoding * (self._run_steps - 1) / 2
        else:
            self._run_steps, self.next_event_s = 0, math.inf
            return
        self._step_work_ms = work_ms
        self._step_s = (profile.step_ms + work_ms) / 1000.0
        self.next_event_s = now_s + self._run_steps * self._step_s

    def _chunk(self, job: Job, budget: int, work_ms: float) -> tuple[int, float]:
        tokens = min(budget, job.request.input_tokens - job.computed_tokens)
        self._chunks.append((job, tokens))
        context = job.computed_tokens + tokens / 2
        work_ms += tokens * (self.profile.prefill_ms_per_token + self.profile.attention_ms_per_pair * context)
        return budget - tokens, work_ms

    def _admit(self, job: Job, now_s: float) -> bool:
        """Give a waiting request its blocks, if it can run."""
        request = job.request
        if len(self._prefilling) + len(self._decoding) >= self.profile.max_sequences:
            return False
        reserved = math.ceil(request.output_tokens / self.block_tokens)
        if not self.cache.fits(request.blocks, reserved) and (self._prefilling or self._decoding):
            return False
        # The last token of a prompt is always computed: its logits are wanted.
        job.cached_tokens = min(self.cache.matched_tokens(request.blocks), request.input_tokens - 1)
        job.computed_tokens = job.cached_tokens
        job.reserved_blocks = reserved
        job.scheduled_s = now_s
        if self.residency is not None:
            self.residency.scheduled(job.name, request.org, job.chain, request.prompt_bytes)
        self.cache.acquire(request.blocks, reserved)
        totals = self.totals
        totals.requests += 1
        totals.input_tokens += request.input_tokens
        totals.cached_tokens += job.cached_tokens
        totals.max_used_blocks = max(totals.max_used_blocks, self.cache.used_blocks)
        return True
