"""The database goes away and comes back; the disk is full."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.chaos.cluster import ChaosCluster, running, until
from tests.chaos.figures import Figures, measured
from tests.chaos.postgres import Server
from tests.disk import filled, small_disk

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

AWAY_S = 60.0
GRACE_S = 30.0
"""``identity.outage_grace_s`` as it is by default."""
BACK_WITHIN_S = 10.0
DISK_BYTES = 256 << 20
FULL_S = 30.0
ALMOST_FULL = 0.05
"""Of the alert OssatureDiskAlmostFull."""
SCRAPED_WITHIN_S = 30.0


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_database_away(cluster: ChaosCluster, database: Server, how: str) -> None:
    """Known keys go on for the grace; then requests are refused, with a time to come back, until the database is there again."""
    figures = Figures(
        f"database-{how}",
        f"PostgreSQL {how} for {AWAY_S:.0f} s",
        '`ossature_authentication_failures_total{reason="unavailable"}`: OssatureKeysNotChecked; `ossature_ledger_late_rows`',
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
    assert figures.unrecorded == 0, "rows that came late were not written"


def test_disk_full(tmp_path: Path) -> None:
    """Requests go on; what has to be written is refused and says why, until there is room again."""
    figures = Figures(
        "disk-full",
        f"disk of the data folder (SQLite, files) full for {FULL_S:.0f} s",
        "`ossature_data_folder_free_bytes`: OssatureDiskAlmostFull; `ossature_ledger_late_rows`",
    )
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk, running(tmp_path, {"data_dir": str(disk)}) as cluster:
        assert uploaded(cluster).status_code == 200
        with measured(cluster, figures) as fault:
            fault.now()
            with filled(disk):
                until(lambda: share_free(cluster) < ALMOST_FULL, SCRAPED_WITHIN_S, "the metric that alerts does not tell")
                refused = uploaded(cluster)
                time.sleep(max(0.0, FULL_S - fault.since_s()))
            fault.until_whole(lambda: uploaded(cluster).status_code == 200 and cluster.whole(), BACK_WITHIN_S)
        figures.extra["upload"] = [refused.status_code, refused.text[:300]]
    figures.write()
    assert (figures.lost, figures.cut_said, figures.cut_silent) == (0, 0, 0)
    assert refused.status_code == 503
    assert figures.unrecorded == 0, "rows that came late were not written"


def uploaded(cluster: ChaosCluster) -> httpx.Response:
    """A file of a megabyte, sent once."""
    return httpx.post(
        f"{cluster.http}/v1/files",
        headers={"Authorization": f"Bearer {cluster.api_key}"},
        data={"purpose": "user_data"},
        files={"file": ("some.txt", b"x" * (1 << 20))},
        timeout=30,
        trust_env=False,
    )


def share_free(cluster: ChaosCluster) -> float:
    """Of the data folder's disk, as the node's exporter tells."""
    free, size = cluster.metric("ossature_data_folder_free_bytes"), cluster.metric("ossature_data_folder_size_bytes")
    return free / size if size else 1.0
