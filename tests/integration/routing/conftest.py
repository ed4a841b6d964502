from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import ray
from ray import serve
from ray.serve.config import RequestRouterConfig

from tests.integration.routing.cluster import APP, ENGINE, MAX_ONGOING, REPLICAS, REPORT_PERIOD_S, Engine, Gateway, wait_until_idle


def start_ray(attempts: int = 3) -> None:
    """On a busy machine Ray's node process gives up on its agent after 15 s; then it is started anew."""
    for attempt in range(1, attempts + 1):
        try:
            ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
        except Exception as error:
            if attempt == attempts or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
        else:
            return


@pytest.fixture(scope="module")
def engine() -> Iterator[None]:
    """Three replicas behind the router, in a Ray of this test's own; no port is opened beyond Ray's."""
    # Ray's processes get their environment from the one that starts it.
    environment = pytest.MonkeyPatch()
    environment.setenv("RAY_SERVE_THROUGHPUT_OPTIMIZED", "1")
    environment.setenv("RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "0")  # else Serve's shutdown takes 30 s
    start_ray()
    try:
        serve.start(proxy_location="Disabled")
        deployment = serve.deployment(Engine).options(
            name=ENGINE,
            num_replicas=REPLICAS,
            max_ongoing_requests=MAX_ONGOING,
            health_check_period_s=1,
            health_check_timeout_s=5,
            graceful_shutdown_timeout_s=1,
            ray_actor_options={"num_cpus": 0},
            request_router_config=RequestRouterConfig(
                request_router_class="cluster.inference.request_router:PrefixRouter",
                request_router_kwargs={"load_factor": 1.25},
                request_routing_stats_period_s=REPORT_PERIOD_S,
                max_backoff_s=0.1,
            ),
        )
        serve.run(deployment.bind(), name=APP, route_prefix=None)
        yield
    finally:
        serve.shutdown()
        ray.shutdown()
        environment.undo()


@pytest.fixture(scope="module")
def running_gateways(engine: None) -> list[Any]:
    return [Gateway.remote() for _ in range(2)]


@pytest.fixture
def gateways(running_gateways: list[Any]) -> list[Any]:
    """Two gateways that have no request running and know it."""
    for gateway in running_gateways:
        wait_until_idle(gateway)
    return running_gateways
