"""A cluster on two hosts, each a Ray node with a gateway, an engine replica and HAProxy.

The first is Ray's head and has the launcher.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from cluster.config.schema import ClusterConfig
from cluster.runtime import processes
from cluster.runtime.serve_environment import ray_environment
from tests.chaos import redis
from tests.chaos.cluster import FAKE_MODEL, ChaosCluster, environment, running
from tests.chaos.hosts import Host, two_hosts

RAY_PORT = 6379
STARTED_WITHIN_S = 180.0
SHARE = {"ingress": 1, "engine": 1}
"""Of a node, as custom resources: room for one gateway and one engine replica."""
WAIT_FOR_HEAD = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}
"""As the chart has it."""
TOKENS = {"RAY_AUTH_MODE": "token"}
"""As `ray start` has it by itself, for those of Ray's commands that don't."""
STORE_BYTES = 100 << 20
CURRENT_CLUSTER = Path("/tmp/ray/ray_current_cluster")


@dataclass
class Node:
    """A host's Ray, kept in the foreground by ``ray start --block`` as a pod has it, which ends when its raylet does.

    From :meth:`start` to :meth:`leave` it is started again whenever it ends; on a busy machine Ray gives up a start after 30 s.
    ``ended_s``: those ends, in seconds of ``time.monotonic``.
    """

    host: Host
    head: Host
    variables: Mapping[str, str]
    log: Path
    ended_s: list[float] = field(default_factory=list)
    _left: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._left = threading.Event()
        threading.Thread(target=self._keep, args=(self._left,), daemon=True, name=self.host.name).start()

    def leave(self) -> None:
        """Its next end is its last."""
        self._left.set()

    def _keep(self, left: threading.Event) -> None:
        where = ["--head", f"--port={RAY_PORT}", "--include-dashboard=false"]
        if self.host is not self.head:
            where = [f"--address={self.head.address}:{RAY_PORT}"]
        options = [f"--node-ip-address={self.host.address}", "--num-cpus=2", f"--resources={json.dumps(SHARE)}"]
        ray = [*self.host.prefix, sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        command = [*ray, *where, *options, f"--object-store-memory={STORE_BYTES}"]
        while not left.is_set():
            with self.log.open("ab") as log:
                subprocess.run(command, env=dict(self.variables), stdout=log, stderr=log, start_new_session=True, check=False)
            self.ended_s.append(time.monotonic())

    def kill_all(self) -> None:
        """As if the host had lost its power."""
        self.leave()
        for pid in _output("ip", "netns", "pids", self.host.name).split():
            os.kill(int(pid), signal.SIGKILL)
        # By it, and the processes of the other host, Ray would take the head for alive: a real host's would be gone with its /tmp.
        CURRENT_CLUSTER.unlink(missing_ok=True)

    def pids(self, cluster: ChaosCluster, *beginnings: str) -> list[int]:
        """Those of the cluster's processes that run on this host."""
        inside = {int(pid) for pid in _output("ip", "netns", "pids", self.host.name).split()}
        return [pid for pid in cluster.pids(*beginnings) if pid in inside]


@dataclass
class TwoNodes:
    cluster: ChaosCluster
    first: Node
    second: Node


@contextmanager
def two_nodes(folder: Path, *, with_redis: bool = False) -> Iterator[TwoNodes]:
    """``with_redis``: the head can be lost and the other node waits for it, as with the chart's ``redis.address``."""
    mark = secrets.token_hex(8)
    settings = {
        "http": {"port": 8000, "host": "0.0.0.0"},
        "ray": {"address": ""},
        "gateway": {"replicas": 2, "resources": {"ingress": 1}},
        "models": [FAKE_MODEL | {"placement": {"cpus_per_worker": 0.1, "resources_per_worker": {"engine": 1}}}],
    }
    with ExitStack() as stack:
        hosts = stack.enter_context(two_hosts())
        settings["ray"] = {"address": f"{hosts[0].address}:{RAY_PORT}"}
        config = ClusterConfig.model_validate(settings)
        variables = environment() | ray_environment(config) | {processes.RUN_VARIABLE: mark} | TOKENS
        if with_redis:
            address = stack.enter_context(redis.server(folder / "redis", hosts[0].client))
            variables |= {"RAY_REDIS_ADDRESS": address, "RAY_external_storage_namespace": "chaos"} | WAIT_FOR_HEAD
        first, second = (Node(host, hosts[0], variables, folder / f"{host.address}.log") for host in hosts)
        try:
            first.start()
            await_ray(first)
            second.start()
            outside = tuple(host.outside for host in hosts)
            with running(folder, settings, variables=variables, prefix=hosts[0].prefix, outside=outside) as cluster:
                yield TwoNodes(cluster, first, second)
        finally:
            for node in (first, second):
                node.leave()
            processes.end_all(mark)


def whole(cluster: ChaosCluster) -> bool:
    """Also the HAProxy of each host, which knows of gateways a little later than they are there."""
    try:
        ready = [httpx.get(f"{url}/readyz", timeout=3, trust_env=False).status_code for url in cluster.urls]
    except httpx.HTTPError:
        return False
    return set(ready) == {200} and cluster.whole()


def await_ray(node: Node) -> None:
    """Until a head takes nodes."""
    check = [*node.host.prefix, sys.executable, "-m", "ray.scripts.scripts", "health-check"]
    deadline = time.monotonic() + STARTED_WITHIN_S
    while subprocess.run(
        [*check, "--address", f"{node.host.address}:{RAY_PORT}"], env=dict(node.variables), capture_output=True, check=False
    ).returncode:
        assert time.monotonic() < deadline, node.log.read_text()[-2000:]
        time.sleep(0.5)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
