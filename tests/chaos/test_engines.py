"""An engine replica dies under load."""

from __future__ import annotations

import pytest

from tests.chaos.cluster import MODEL, REPLICAS, ChaosCluster
from tests.chaos.figures import Figures, measured

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

REPLICA = f"ray::ServeReplica:ossature:engine:{MODEL}"
REPLACED_WITHIN_S = 120.0
OUTAGE_S = 1.0


def test_kill_engine_replica(cluster: ChaosCluster) -> None:
    """What had no byte yet is answered by the other replica, without the client's help; streams end with an error event."""
    figures = Figures(
        "engine-replica",
        "kill -9 of one of two engine replicas",
        "`ossature_replicas_ready` -1 until it is replaced; `ossature_retries_total`",
    )
    victim = cluster.engines()[0]
    with measured(cluster, figures) as fault:
        fault.now()
        cluster.kill(victim)
        fault.until_whole(lambda: cluster.replaced([victim], REPLICA) and cluster.whole(), REPLACED_WITHIN_S)
    figures.write()
    assert figures.refused == 0, "a request without a byte reached the client as an error"
    assert figures.lost == 0
    assert figures.cut_silent == 0, "a stream ended without a word"
    assert 1 <= figures.cut_said < fault.load.mix.streams + 2, "the killed replica held no stream, or the other one's ended too"
    assert set(figures.reasons) == {"engine_failed"}
    assert figures.outage_s < OUTAGE_S
    assert figures.unrecorded == 0
    assert len(cluster.engines()) == REPLICAS
