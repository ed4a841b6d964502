"""Two ingress nodes on two hosts, and clients that try the second address when the first one fails."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.chaos.cluster import REPLICAS, until
from tests.chaos.figures import Fault, Figures, measured
from tests.chaos.two_nodes import TwoNodes, two_nodes, whole

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

HAPROXY = "haproxy"
REPLACED_WITHIN_S = 120.0
SHORT_CUT_S = 5.0
"""Less than Ray waits before it takes a node for dead."""
LONG_CUT_S = 60.0
NODE_BACK_WITHIN_S = 300.0
WHOLE_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def shared_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


@pytest.fixture
def nodes(shared_nodes: TwoNodes) -> TwoNodes:
    shared_nodes.cluster.await_whole(WHOLE_WITHIN_S)
    return shared_nodes


def test_kill_haproxy_of_one_host(nodes: TwoNodes) -> None:
    """No request is lost that had no byte: the other host's HAProxy answers it."""
    cluster = nodes.cluster
    figures = Figures(
        "haproxy-of-two",
        "kill -9 of HAProxy on one of two hosts, clients with both addresses",
        "`ossature_ingress_up` of that node: OssatureIngressDown after a minute of it",
    )
    with measured(cluster, figures) as fault:
        # Not before: a HAProxy that gets new servers is another process.
        victims = nodes.second.pids(cluster, HAPROXY)
        assert victims
        assert nodes.first.pids(cluster, HAPROXY)
        fault.now()
        for victim in victims:
            cluster.kill(victim)
        fault.until_whole(lambda: replaced(nodes, victims) and whole(cluster), REPLACED_WITHIN_S)
    figures.write()
    assert figures.lost == 0
    assert figures.cut_silent >= 1, "the killed HAProxy held no stream: the case has shown nothing"
    assert figures.cut_silent <= fault.load.mix.streams
    assert figures.unrecorded == 0


def test_short_cut_between_hosts(nodes: TwoNodes) -> None:
    """Nothing is replaced, and what had no byte is answered within its host."""
    cluster = nodes.cluster
    figures = Figures("cut-short", f"network between two hosts cut for {SHORT_CUT_S:.0f} s", "nothing in our metrics")
    before = (cluster.gateways(), cluster.engines())
    with measured(cluster, figures) as fault:
        fault.now()
        cut(nodes, fault, SHORT_CUT_S)
        fault.until_whole(lambda: whole(cluster), REPLACED_WITHIN_S)
        assert (cluster.gateways(), cluster.engines()) == before, "replicas were replaced that had nothing"
    figures.write()
    assert figures.lost == 0
    assert figures.unrecorded == 0


def test_long_cut_between_hosts(nodes: TwoNodes) -> None:
    """The host without Ray's head drops out of the cluster; who supervises its node starts it again, and it joins."""
    cluster = nodes.cluster
    figures = Figures("cut-long", f"network between two hosts cut for {LONG_CUT_S:.0f} s", "`ray status`: a node less")
    with measured(cluster, figures) as fault:
        nodes.second.ended_s.clear()
        fault.now()
        cut(nodes, fault, LONG_CUT_S)
        until(lambda: bool(nodes.second.ended_s), NODE_BACK_WITHIN_S, "the node has not ended")
        figures.extra["node_ended_s"] = round(nodes.second.ended_s[0] - fault.moment_s, 1)
        fault.until_whole(lambda: len(cluster.engines()) == REPLICAS and whole(cluster), NODE_BACK_WITHIN_S)
    figures.write()
    assert figures.lost == 0
    assert figures.unrecorded == 0


def cut(nodes: TwoNodes, fault: Fault, seconds: float) -> None:
    nodes.second.host.cut()
    try:
        time.sleep(max(0.0, seconds - fault.since_s()))
    finally:
        nodes.second.host.heal()


def replaced(nodes: TwoNodes, victims: list[int]) -> bool:
    present = nodes.second.pids(nodes.cluster, HAPROXY)
    return bool(present) and not set(victims) & set(present)
