"""The database goes away and comes back; the disk is full."""

from __future__ import annotations

import time

import pytest

from tests.chaos.cluster import ChaosCluster
from tests.chaos.figures import Figures, measured
from tests.chaos.postgres import Server

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

AWAY_S = 60.0
GRACE_S = 30.0
"""``identity.outage_grace_s`` as it is by default."""
BACK_WITHIN_S = 10.0


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_database_away(cluster: ChaosCluster, database: Server, how: str) -> None:
    """Known keys go on for the grace; then requests are refused, with a time to come back, until the database is there again."""
    figures = Figures(
        f"database-{how}",
        f"PostgreSQL {how} for {AWAY_S:.0f} s",
        '`ossature_authentication_failures_total{reason="unavailable"}`: OssatureKeysNotChecked',
    )
    with measured(cluster, figures) as fault:
        replicas = (cluster.gateways(), cluster.engines())
        fault.now()
        try:
            database.stop() if how == "stopped" else database.freeze()
            time.sleep(AWAY_S)
        finally:
            database.start_again() if how == "stopped" else database.thaw()
        fault.until_whole(cluster.whole, BACK_WITHIN_S)
        assert (cluster.gateways(), cluster.engines()) == replicas, "replicas were replaced that had nothing"
    figures.write()
    assert (figures.cut_said, figures.cut_silent) == (0, 0)
    assert set(figures.reasons) <= {"store_unavailable"}
    refusals = fault.refusals()
    assert all(attempt.retry_after_s is not None for attempt in refusals)
    assert min(attempt.began_s for attempt in refusals) > fault.moment_s + GRACE_S - 2
    assert figures.outage_s < AWAY_S + BACK_WITHIN_S
