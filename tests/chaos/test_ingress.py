"""What stands between clients and engines: a gateway, HAProxy, the actor that keeps HAProxy, Serve's controller."""

from __future__ import annotations

import time

import pytest

from tests.chaos.cluster import GATEWAYS, ChaosCluster
from tests.chaos.figures import Figures, measured

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

HAPROXY, MANAGER, CONTROLLER = "haproxy", "ray::HAProxyManager", "ray::ServeController"
INGRESS_DOWN = "`ossature_ingress_up` 0 until it is back: OssatureIngressDown after a minute of it"
OUTAGE_OF_A_GATEWAY_S = 5.0
OUTAGE_OF_HAPROXY_S = 5.0
OUTAGE_OF_ITS_MANAGER_S = 45.0
OUTAGE_OF_THE_CONTROLLER_S = 2.0
REPLACED_WITHIN_S = 120.0


def test_kill_gateway(cluster: ChaosCluster) -> None:
    """Its streams break, which only their connections can say; what had no byte is answered by the other one to who tries again."""
    figures = Figures(
        "gateway",
        "kill -9 of one of two gateway replicas",
        "nothing in our metrics while the node has another gateway; Serve's log",
    )
    victim = cluster.gateways()[0]
    with measured(cluster, figures) as fault:
        fault.now()
        cluster.kill(victim)
        fault.until_whole(lambda: victim not in cluster.gateways() and cluster.whole(), REPLACED_WITHIN_S)
    figures.write()
    assert figures.lost == 0
    assert figures.cut_said + figures.cut_silent <= fault.load.mix.streams
    assert figures.cut_silent >= 1, "the killed gateway held no stream: the case has shown nothing"
    assert figures.outage_s < OUTAGE_OF_A_GATEWAY_S
    assert figures.unrecorded == 0
    assert len(cluster.gateways()) == GATEWAYS


def test_kill_haproxy(cluster: ChaosCluster) -> None:
    figures = Figures("haproxy", "kill -9 of HAProxy, one ingress node", INGRESS_DOWN)
    victims = cluster.pids(HAPROXY)
    with measured(cluster, figures) as fault:
        fault.now()
        for victim in victims:
            cluster.kill(victim)
        fault.until_whole(lambda: cluster.replaced(victims, HAPROXY) and cluster.whole(), REPLACED_WITHIN_S)
    figures.write()
    assert figures.outage_s < OUTAGE_OF_HAPROXY_S
    assert figures.unrecorded == 0


def test_kill_manager_of_haproxy(cluster: ChaosCluster) -> None:
    figures = Figures("haproxy-manager", "kill -9 of the actor that keeps HAProxy, one ingress node", INGRESS_DOWN)
    (victim,) = cluster.pids(MANAGER)
    with measured(cluster, figures) as fault:
        fault.now()
        cluster.kill(victim)
        fault.until_whole(lambda: cluster.replaced([victim], MANAGER) and cluster.whole(), REPLACED_WITHIN_S)
    figures.write()
    assert figures.outage_s < OUTAGE_OF_ITS_MANAGER_S
    assert figures.unrecorded == 0


def test_kill_controller(cluster: ChaosCluster) -> None:
    """Requests in flight are unharmed, and new ones are served meanwhile."""
    figures = Figures("controller", "kill -9 of Serve's controller", "nothing in our metrics; `ray list actors`")
    (victim,) = cluster.pids(CONTROLLER)
    before = (cluster.gateways(), cluster.engines())
    with measured(cluster, figures) as fault:
        fault.now()
        cluster.kill(victim)
        fault.until_whole(lambda: cluster.replaced([victim], CONTROLLER) and cluster.whole(), REPLACED_WITHIN_S)
        time.sleep(10)
    figures.write()
    assert (figures.lost, figures.cut_said, figures.cut_silent) == (0, 0, 0)
    assert figures.outage_s < OUTAGE_OF_THE_CONTROLLER_S
    assert figures.unrecorded == 0
    assert (cluster.gateways(), cluster.engines()) == before, "replicas were replaced that had nothing"
