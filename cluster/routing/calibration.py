"""Rates that a router measures instead of being told: how fast replicas compute prompts, how long a token is.

Every estimate starts from a stated prior and moves by a fixed part per observation, so that it follows a cluster that changes.
"""

from __future__ import annotations

from collections import deque
from math import exp, inf

PRIOR_PREFILL_MS_PER_TOKEN = 0.035
"""Published for gpt-oss-120b on one H200. It matters for the first few dozen answers only."""

PRIOR_DECODE_MS_PER_SEQUENCE = 0.1
"""What one more sequence adds to each engine step: little, since weights are read once for all."""

PRIOR_COMPLETION_TOKENS = 250.0

PRIOR_BYTES_PER_TOKEN = 4.0
"""English text and code."""

PRIOR_CACHE_LIFETIME_S = 600.0
"""How long an unused prefix is expected to stay cached until the first evictions have been seen."""

MIN_REQUEST_MS = 0.1
"""So that equal waits go by load: about what one more sequence adds to an engine step."""

_LAST = 5
"""Observations of a quantile that are looked at together."""

_SMALLEST = 1e-6
"""What moves in proportion to itself must not become 0."""

_STEP = 0.02
"""Part by which an observation moves an estimate: the last fifty or so make it up."""


class Mean:
    """The mean of about the last ``memory`` observations; of all, with the prior as one of them, while there are fewer."""

    __slots__ = ("_count", "_memory", "value")

    def __init__(self, prior: float, memory: int = 50) -> None:
        self.value = prior
        self._count = 1
        self._memory = memory

    def observe(self, value: float) -> None:
        if self._count < self._memory:
            self._count += 1
        self.value += (value - self.value) / self._count


class LowQuantile:
    """The value that about ``share`` of observations lie below, moved in proportion to itself. Positive.

    ``far``: where the last few observations are all off by more than this factor, to the same side, it is theirs at once. Engines
    differ by a factor of a hundred, which would take hundreds of steps.
    """

    __slots__ = ("_far", "_last", "_share", "value")

    def __init__(self, prior: float, share: float, far: float = inf) -> None:
        self.value = prior
        self._share = share
        self._far = far
        self._last: deque[float] = deque(maxlen=_LAST)

    def observe(self, value: float) -> None:
        """One observation. The steps balance where ``share`` of all lie below."""
        self._last.append(value)
        if len(self._last) == _LAST and (min(self._last) > self._far * self.value or self._far * max(self._last) < self.value):
            self.value = max(sorted(self._last)[int(self._share * _LAST)], _SMALLEST)
            return
        above = value > self.value
        self.value *= exp(2 * _STEP * (self._share if above else self._share - 1.0))


class Slope:
    """How much ``y`` grows with ``x``: least squares over about the last ``memory`` observations. Never negative."""

    __slots__ = ("_x", "_xx", "_xy", "_y", "prior")

    def __init__(self, prior: float, memory: int = 500) -> None:
        self.prior = prior
        self._x, self._y, self._xx, self._xy = (Mean(0.0, memory) for _ in range(4))

    def observe(self, x: float, y: float) -> None:
        for mean, value in ((self._x, x), (self._y, y), (self._xx, x * x), (self._xy, x * y)):
            mean.observe(value)

    @property
    def value(self) -> float:
        """The prior counts as much as a variance of 1 in ``x`` does."""
        variance = max(0.0, self._xx.value - self._x.value**2)
        covariance = self._xy.value - self._x.value * self._y.value
        return max(0.0, (covariance + self.prior) / (variance + 1.0))


class CacheLifetime:
    """The age at which prefixes turn out to be gone, in seconds: about as many are found beyond it as are missed before it.

    A prefix that is found although it is older moves it up, one that is missed although it is younger moves it down; all others
    are as expected and move nothing.
    """

    __slots__ = ("value_s",)

    def __init__(self, prior_s: float = PRIOR_CACHE_LIFETIME_S) -> None:
        self.value_s = prior_s

    def observe(self, age_s: float, *, found: bool) -> None:
        if found and age_s > self.value_s:
            self.value_s *= 1.0 + 2 * _STEP
        elif not found and age_s < self.value_s:
            self.value_s /= 1.0 + 2 * _STEP


class Calibration:
    """What one gateway has measured of one model's replicas."""

    def __init__(self) -> None:
        # A low quantile, since prompts that share engine steps with others take longer than their own tokens cost.
        self._prefill = LowQuantile(PRIOR_PREFILL_MS_PER_TOKEN, share=0.3, far=4.0)
        self._bytes_per_token = Mean(PRIOR_BYTES_PER_TOKEN)
        # The median: now and then something that this gateway doesn't know of is before a request after all.
        self._step_wait_ms = LowQuantile(1.0, share=0.5)
        self._loaded = Mean(1.0)
        # Of quiet and busy times alike: what moves with every burst makes decisions that don't last.
        self._sent_ms = Mean(0.0, memory=1000)
        self._behind_ms = Mean(0.0, memory=1000)
        self._given_ms = Mean(0.0, memory=1000)
        self._answering_ms = Mean(0.0, memory=1000)
        self._computed_tokens = Mean(0.0, memory=1000)
        self._evicted_tokens = Mean(0.0, memory=1000)
        self._decode = Slope(PRIOR_DECODE_MS_PER_SEQUENCE)
        self._completion_tokens = Mean(PRIOR_COMPLETION_TOKENS, memory=500)
        self._load = Mean(0.0, memory=1000)
        self._own_load = Mean(0.0, memory=1000)
        self._prompt_ms = Mean(0.0)
        self._home_share = Mean(0.0)
        self._trust = Mean(1.0)
        self._lifetime = CacheLifetime()

    @property
    def prefill_ms_per_token(self) -> float:
        """Time to compute a prompt token that isn't cached, on a replica that computes nothing else."""
        return self._prefill.value

    @property
    def bytes_per_token(self) -> float:
        return self._bytes_per_token.value

    @property
    def request_ms(self) -> float:
        """How much longer a request waits for each one that is there already, beyond the prompts that are known to be before it."""
        return max(self._step_wait_ms.value / max(self._loaded.value, 1.0), MIN_REQUEST_MS)

    @property
    def gateways(self) -> float:
        """How many times as much replicas have to do as this gateway gives them; 1 for the only one."""
        return max(1.0, self._load.value / self._own_load.value) if self._own_load.value > 0.0 else 1.0

    @property
    def behind(self) -> float:
        """How many requests come, for each millisecond of prefill, before the replica has caught up."""
        return self._behind_ms.value / self._sent_ms.value if self._sent_ms.value > 0.0 else 0.0

    def behind_at(self, utilization: float) -> float:
        """The same at a replica that is given prompts for that part of the time: more is sent where more was sent."""
        return self._behind_ms.value * utilization / self._given_ms.value if self._given_ms.value > 0.0 else self.behind

    @property
    def crowding(self) -> float:
        """How many are delayed by a millisecond of prefill: the request itself, those that come before the replica has caught up,

        and the answers that are being generated there. Of long prompts more than of short ones, since more come meanwhile.
        """
        if self._sent_ms.value <= 0.0:
            return 1.0
        return 1.0 + self.behind + self._answering_ms.value / self._sent_ms.value

    @property
    def recomputed(self) -> float:
        """How many tokens are computed in the end for each one that is: what it evicts may be asked for again, and so on."""
        if self._computed_tokens.value <= 0.0:
            return 1.0
        return 1.0 / (1.0 - min(0.5, self._evicted_tokens.value / self._computed_tokens.value))

    def decode_ms(self, load: float) -> float:
        """How long sharing engine steps with ``load`` others keeps a request waiting until it is answered."""
        return load * self._decode.value * self._completion_tokens.value

    def usual_wait_ms(self, utilization: float) -> float:
        """How long prompts wait on average at a replica that is busy for that part of the time (Pollaczek and Khinchine's formula

        with exponential lengths).
        """
        busy = min(utilization, 0.95)
        return busy / (1.0 - busy) * self._prompt_ms.value

    @property
    def home_share(self) -> float:
        """Part of an unknown prompt that its home turns out to hold all the same: other gateways' work."""
        return self._home_share.value

    def survival(self, age_s: float) -> float:
        """Part of what was once cached that is still there when it was last used so long ago."""
        ratio = age_s / self._lifetime.value_s
        return self._trust.value / (1.0 + ratio**4)

    @property
    def lifetime_s(self) -> float:
        return self._lifetime.value_s

    def prompt(self, prompt_bytes: int, prompt_tokens: int) -> None:
        """A prompt's length in bytes and in tokens."""
        if prompt_tokens > 0:
            self._bytes_per_token.observe(prompt_bytes / prompt_tokens)

    def prefill(self, uncached_tokens: int, prefill_s: float) -> None:
        """A prompt, long enough that the fixed cost of a step doesn't matter, took so long once it was scheduled."""
        if uncached_tokens > 0 and prefill_s > 0.0:
            self._prefill.observe(prefill_s * 1000.0 / uncached_tokens)

    def step_wait(self, queue_s: float, load: float) -> None:
        """How long a request waited at a replica that had ``load`` others, but for all that was known no prompt to compute."""
        self._step_wait_ms.observe(queue_s * 1000.0)
        self._loaded.observe(load)

    def decoded(self, completion_tokens: int, decode_s: float, load: float) -> None:
        """An answer of so many tokens took so long after its first one, at a replica that had ``load`` others when it came."""
        self._completion_tokens.observe(completion_tokens)
        if completion_tokens > 1:
            self._decode.observe(load, decode_s * 1000.0 / (completion_tokens - 1))

    def shared(self, load: float, own_load: float) -> None:
        """Replicas had so many requests in all, of which this gateway sent so many."""
        self._load.observe(load)
        self._own_load.observe(own_load)

    def sent(self, prefill_ms: float, before_ms: float, answering: float, utilization: float) -> None:
        """A request of so much prefill was sent to a replica that had been given ``before_ms`` since it last was through.

        ``answering``: requests there whose prompts had been computed; ``utilization``: part of the time for which it was given
        prompts. Each millisecond before it has delayed this request.
        """
        self._prompt_ms.observe(prefill_ms)
        self._sent_ms.observe(prefill_ms)
        self._behind_ms.observe(before_ms)
        self._answering_ms.observe(answering * prefill_ms)
        self._given_ms.observe(utilization * prefill_ms)

    def computed(self, computed_tokens: int, evicted_tokens: int) -> None:
        """So many tokens of a prompt were computed, so many of them again: they had been there and were gone."""
        self._computed_tokens.observe(computed_tokens)
        self._evicted_tokens.observe(evicted_tokens)

    def found(self, age_s: float, share: float) -> None:
        """Of what a replica was believed to hold, last used ``age_s`` ago, it held that part."""
        self._lifetime.observe(age_s, found=share > 0.5)
        if age_s < self._lifetime.value_s / 2:
            self._trust.observe(min(1.0, share))

    def unknown_at_home(self, share: float) -> None:
        """Of a prompt that was not known to be anywhere, its home held that part."""
        self._home_share.observe(share)
