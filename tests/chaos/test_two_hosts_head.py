"""The host of Ray's head is lost, one of two ingress nodes. In a file of its own: the hosts of the other one are gone by then."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos.cluster import REPLICAS
from tests.chaos.figures import Figures, measured
from tests.chaos.two_nodes import await_ray, two_nodes, whole

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

HEAD_AWAY_S = 10.0
BACK_WITHIN_S = 300.0


def test_head_lost_with_redis(tmp_path: Path) -> None:
    """The other host goes on alone. When the head is back, a launcher joins it and deploys anew, as an upgrade does."""
    figures = Figures(
        "head-redis",
        f"host of Ray's head lost, with Redis, back after {HEAD_AWAY_S:.0f} s",
        "`ray status` fails; OssatureMetricsEndpointDown",
    )
    with two_nodes(tmp_path, with_redis=True) as nodes:
        cluster = nodes.cluster
        with measured(cluster, figures) as fault:
            fault.now()
            nodes.first.kill_all()
            cluster.process.wait()
            time.sleep(HEAD_AWAY_S)
            nodes.first.start()
            await_ray(nodes.first)
            cluster.start_again()
            fault.until_whole(lambda: len(cluster.engines()) == REPLICAS and whole(cluster), BACK_WITHIN_S)
    figures.write()
    assert figures.lost == 0
    assert figures.unrecorded == 0
