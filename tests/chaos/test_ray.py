"""Ray itself dies under a cluster of one machine: its raylet, or its control service (GCS) without and with Redis."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cluster.config.settings.ray_cluster import RaySettings
from cluster.runtime import processes
from cluster.runtime.lost_ray import EXIT_CODE, LEAVE_WITHIN_S
from tests.chaos import redis
from tests.chaos.cluster import ENGINE, ChaosCluster, running, until
from tests.chaos.figures import Figures, measured

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

HEALTH_CHECKS_S = 30.0
"""Ray's own: five that fail, three seconds apart, and slack."""
LOST_AFTER_S: float = RaySettings.model_fields["lost_after_s"].default
SERVES_AGAIN_WITHIN_S = 300.0
GCS_PORT = "--gcs_server_port"
AWAY_S = 10.0
BACK_WITHIN_S = 60.0
OBSERVED_S = 20.0
REPLACED_WITHIN_S = 180.0


@pytest.mark.parametrize(
    ("program", "fault_of", "noticed_within_s"),
    [
        ("raylet", "kill -9 of the raylet, one machine", HEALTH_CHECKS_S),
        ("gcs_server", "kill -9 of the GCS without Redis, one machine", LOST_AFTER_S),
    ],
    ids=["raylet", "gcs"],
)
def test_ray_dies(tmp_path: Path, program: str, fault_of: str, noticed_within_s: float) -> None:
    """The launcher ends with an error, and nothing of the cluster is left: who supervises it starts it anew."""
    figures = Figures(program, fault_of, "`ossature serve` ends with exit code 1 and says why: its supervisor's log and restarts")
    with running(tmp_path, {}) as cluster, measured(cluster, figures) as fault:
        (victim,) = cluster.pids(program)
        fault.now()
        cluster.kill(victim)
        code = cluster.process.wait(noticed_within_s + LEAVE_WITHIN_S)
        figures.extra["launcher_ended_s"] = round(fault.since_s(), 1)
        assert code == EXIT_CODE
        assert processes.of_run(cluster.run_id) == [], "processes of the dead cluster are left"
        assert "RayLost: Ray's " in cluster.log()
        cluster.start_again()
        fault.until_whole(cluster.whole, SERVES_AGAIN_WITHIN_S)
        time.sleep(5)
    figures.write()
    assert figures.cut_said >= 1, "no stream was there to be cut"
    assert figures.cut_silent == 0, "a stream ended without a word"
    assert figures.outage_s < noticed_within_s + LEAVE_WITHIN_S + SERVES_AGAIN_WITHIN_S


def test_gcs_with_redis_dies(tmp_path: Path) -> None:
    """Requests in flight are unharmed, new ones are served meanwhile, and nothing is replaced that had nothing."""
    figures = Figures(
        "gcs-redis",
        f"kill -9 of the GCS with Redis, started again after {AWAY_S:.0f} s",
        "nothing in our metrics; `ray status` and `ossature serve`'s log, which ends with an error after `ray.lost_after_s`",
    )
    with redis.server(tmp_path / "redis") as address, ExitStack() as stack:
        variables = {"RAY_REDIS_ADDRESS": address, "RAY_external_storage_namespace": "chaos"}
        cluster = stack.enter_context(running(tmp_path, {}, variables=variables))
        before = (cluster.gateways(), cluster.engines())
        service = ControlService(cluster, tmp_path / "gcs.log")
        with measured(cluster, figures) as fault:
            fault.now()
            cluster.kill(service.pid)
            time.sleep(AWAY_S)
            stack.enter_context(service.started_again())
            fault.until_whole(service.answers, BACK_WITHIN_S)
            time.sleep(OBSERVED_S)
        assert (cluster.gateways(), cluster.engines()) == before, "replicas were replaced that had nothing"
        victim = cluster.engines()[0]
        cluster.kill(victim)
        replaced = functools.partial(cluster.replaced, [victim], ENGINE)
        until(lambda: replaced() and cluster.whole(), REPLACED_WITHIN_S, "a replica that dies later is not replaced")
    figures.write()
    assert (figures.lost, figures.refused, figures.cut_said, figures.cut_silent) == (0, 0, 0, 0)
    assert figures.unrecorded == 0


class ControlService:
    """The GCS of a cluster, which can be started again as its supervisor would: same program, port and state."""

    def __init__(self, cluster: ChaosCluster, log: Path) -> None:
        (self.pid,), (raylet,) = cluster.pids("gcs_server"), cluster.pids("raylet")
        self.address = next(word for word in words(raylet, "cmdline") if word.startswith("--gcs-address=")).split("=")[1]
        port = self.address.rpartition(":")[2]
        self._command = [f"{GCS_PORT}={port}" if word.startswith(GCS_PORT) else word for word in words(self.pid, "cmdline")]
        self._environment = dict(word.split("=", 1) for word in words(self.pid, "environ"))
        self._log = log

    @contextmanager
    def started_again(self) -> Iterator[None]:
        with (
            self._log.open("wb") as log,
            subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True) as process,
        ):
            try:
                yield
            finally:
                process.kill()

    def answers(self) -> bool:
        """As Ray's own command sees it."""
        check = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", self.address]
        return subprocess.run(check, env=self._environment, capture_output=True, check=False, timeout=60).returncode == 0


def words(pid: int, file: str) -> list[str]:
    """Of a file of a process in which each ends with a zero."""
    return Path(f"/proc/{pid}/{file}").read_text().rstrip("\0").split("\0")
