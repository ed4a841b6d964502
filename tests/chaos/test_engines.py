"""An engine replica dies under load, or gets slow."""

from __future__ import annotations

import statistics
import time

import pytest

from tests.chaos.cluster import ENGINE, REPLICAS, ChaosCluster
from tests.chaos.figures import Figures, measured
from tests.chaos.load import Mix

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

REPLACED_WITHIN_S = 120.0
OUTAGE_S = 1.0
SLOWER = 10
SLOW_S = 60.0
SETTLED_S = 5.0
"""Until gateways have seen how much waits at the slow one."""
FIRST_S = 0.2
MOST_SHARE = 0.35
"""Of new requests that may go to the slow one; half would if nobody looked."""


def test_kill_engine_replica(cluster: ChaosCluster) -> None:
    """What had no byte yet is answered by the other replica, without the client's help; streams end with an error event."""
    figures = Figures(
        "engine-replica",
        "kill -9 of one of two engine replicas",
        "`ossature_replicas_ready` -1 until it is replaced; `ossature_retries_total`",
    )
    with measured(cluster, figures) as fault:
        victim = cluster.busiest(cluster.engines())
        fault.now()
        cluster.kill(victim)
        fault.until_whole(lambda: cluster.replaced([victim], ENGINE) and cluster.whole(), REPLACED_WITHIN_S)
    figures.write()
    assert figures.refused == 0, "a request without a byte reached the client as an error"
    assert figures.lost == 0
    assert figures.cut_silent == 0, "a stream ended without a word"
    assert 1 <= figures.cut_said < fault.load.mix.streams + 2, "the killed replica held no stream, or the other one's ended too"
    assert set(figures.reasons) == {"engine_failed"}
    assert figures.outage_s < OUTAGE_S
    assert figures.unrecorded == 0
    assert len(cluster.engines()) == REPLICAS


def test_slow_replica(cluster: ChaosCluster) -> None:
    """What waits at the slow one keeps new requests away from it; none is lost."""
    figures = Figures(
        "engine-slow",
        f"one of two engine replicas {SLOWER} times slower for {SLOW_S:.0f} s",
        "the upper buckets of `ossature_time_to_first_token_seconds`: OssatureTtftBurnRateHigh",
    )
    with measured(cluster, figures, Mix(first_s=FIRST_S)) as fault:
        fault.now()
        with cluster.slowed(cluster.engines()[0], SLOWER):
            time.sleep(SLOW_S)
        fault.until_whole(cluster.whole, REPLACED_WITHIN_S)
    begun = [
        request.attempts[-1]
        for request in fault.load.requests
        if SETTLED_S < request.attempts[0].began_s - fault.moment_s < SLOW_S - SETTLED_S
    ]
    waits = sorted(attempt.first_byte_s - attempt.began_s for attempt in begun if attempt.first_byte_s is not None)
    slow = sum(wait_s > FIRST_S * SLOWER for wait_s in waits) / len(waits)
    figures.extra |= {"share_of_the_slow_one": round(slow, 3), "median_first_byte_s": round(statistics.median(waits), 2)}
    figures.write()
    assert (figures.lost, figures.refused, figures.cut_said, figures.cut_silent) == (0, 0, 0, 0)
    assert slow < MOST_SHARE, "gateways send the slow replica as much as if they saw nothing"
    assert figures.unrecorded == 0
