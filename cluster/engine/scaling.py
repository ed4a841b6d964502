"""How many replicas a model should have, from what its replicas work on and how well prompts are served.

| What is seen | Replicas wanted |
|---|---|
| ``ongoing`` requests, running and queued, at ``target_ongoing_requests`` each | as many as that takes: more, or fewer |
| more than ``LATE_SHARE`` of the prompts got their first token after the target | a quarter more than there are, one at least |
| more than the configured share of requests was forced off the replica that has their prefix cached | the same |
| either of them, with fewer than ``CROWDED`` requests at a time on a replica | no more: a prompt waits for itself alone |
| either of them, while replicas are starting or within ``SETTLING_S`` of the last one | no more yet: it may be enough |
| either of them at half its limit, and ``ongoing`` would do with fewer | as many as there are |
| replicas that run, and have told nothing yet | no fewer than there are |
| an upgrade that exchanges them one by one | no fewer than there were |
| fewer than ``ENOUGH_PROMPTS`` prompts in the window | by ``ongoing`` alone |
| no replica runs | no fewer than were wanted: what they worked on is not known any more |

How long more or fewer must be wanted, and between which limits, is Ray Serve's part (``upscale_delay_s`` and its like).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: One prompt in ten may be late before that alone asks for another replica; the target is meant for the other nine.
LATE_SHARE = 0.1
#: Shares of fewer prompts than this say nothing.
ENOUGH_PROMPTS = 10.0
#: Requests at a time on a replica, on average. Below it a prompt waits for nobody but itself, which more replicas don't change.
CROWDED = 1.0
#: How much is added at once where the right number isn't known.
STEP = 0.25
#: Replicas report every few seconds what they counted over 30 s: until then what they tell is of the time before the last change.
SETTLING_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """``target_ongoing_requests`` of each replica; ``max_forced_off_share`` of requests, from 0 to 1, ``None``: not looked at."""

    target_ongoing_requests: float
    max_forced_off_share: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What is known of a model at one moment.

    ``ongoing``: requests that replicas work on and that wait for one. ``running`` replicas of ``wanted`` ones, ``silent`` of which
    have told nothing: what they work on is missing in ``ongoing``. ``prompts``: those of the last half minute, ``late`` of them
    after the target, ``forced_off`` their cache. ``settled_s``: for how long all wanted replicas have been running;
    ``exchanging``: those of a new version haven't all been running yet.
    """

    ongoing: float
    running: int
    wanted: int
    silent: int = 0
    prompts: float = 0.0
    late: float = 0.0
    forced_off: float = 0.0
    settled_s: float = math.inf
    exchanging: bool = False


def replicas(demand: Demand, limits: Limits) -> int:
    """How many replicas are wanted; see the table above. Not bounded by anything."""
    by_load = math.ceil(demand.ongoing / limits.target_ongoing_requests)
    pressure = _pressure(demand, limits)
    if demand.running and pressure < 0.5 and not demand.silent and not demand.exchanging:
        return by_load
    held = max(by_load, demand.wanted)
    if not demand.running or pressure <= 1.0 or demand.settled_s < SETTLING_S or demand.ongoing < CROWDED * demand.running:
        return held
    return max(by_load, demand.wanted + max(1, math.ceil(STEP * demand.wanted)))


def _pressure(demand: Demand, limits: Limits) -> float:
    """How badly prompts are served: 1 at a limit, 0 where nothing is wrong or too little is known."""
    if demand.prompts < ENOUGH_PROMPTS:
        return 0.0
    pressure = demand.late / demand.prompts / LATE_SHARE
    if limits.max_forced_off_share is not None:
        pressure = max(pressure, demand.forced_off / demand.prompts / limits.max_forced_off_share)
    return pressure
