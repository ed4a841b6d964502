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
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

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


@dataclass
class Node:
    """A host's Ray, kept in the foreground by ``ray start --block`` as a pod has it; ends when its raylet does."""

    host: Host
    head: Host
    variables: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        where = ["--head", f"--port={RAY_PORT}", "--include-dashboard=false"]
        if self.host is not self.head:
            where = [f"--address={self.head.address}:{RAY_PORT}"]
        options = [f"--node-ip-address={self.host.address}", "--num-cpus=2", f"--resources={json.dumps(SHARE)}"]
        ray = [*self.host.prefix, sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*ray, *where, *options, f"--object-store-memory={STORE_BYTES}"],
                env=dict(self.variables),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def keep(self) -> None:
        """Start it again if it has ended, as its supervisor does; on a busy machine Ray gives up a start after 30 s."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def kill_all(self) -> None:
        """As if the host had lost its power."""
        for pid in _output("ip", "netns", "pids", self.host.name).split():
            os.kill(int(pid), signal.SIGKILL)

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
            processes.end_all(mark)


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
