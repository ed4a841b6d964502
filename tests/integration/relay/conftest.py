from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import ray
from ray import serve
from ray.serve.config import RequestRouterConfig

from tests.integration.relay.cluster import APP, CALLS, HANDLE, KEY, NARROW, NARROW_LIMIT, SETTINGS, STEPPED, WIDE, FakeGateway
from tests.integration.relay.fake_engine import FakeEngineReplica
from tests.integration.routing.conftest import start_ray

_ROUTER = RequestRouterConfig(
    request_router_class="cluster.inference.request_router:PrefixRouter",
    request_router_kwargs={"load_factor": 1.25},
    request_routing_stats_period_s=1.0,
    max_backoff_s=0.1,
)


class _Both:
    """Serve's application has one ingress; this one only holds the engines."""

    def __init__(self, *engines: Any) -> None:
        self._engines = engines


def _engine(name: str, replicas: int, max_ongoing: int) -> Any:
    return (
        serve.deployment(FakeEngineReplica)
        .options(
            name=name,
            num_replicas=replicas,
            max_ongoing_requests=max_ongoing,
            health_check_period_s=1,
            health_check_timeout_s=5,
            graceful_shutdown_timeout_s=1,
            ray_actor_options={"num_cpus": 0},
            request_router_config=_ROUTER,
        )
        .bind(SETTINGS, KEY)
    )


@pytest.fixture(scope="module")
def engines() -> Iterator[None]:
    """Scripted engines in a Ray of this test's own, with Serve's own limit of 4 MiB a call; no port is opened beyond Ray's."""
    environment = pytest.MonkeyPatch()
    environment.setenv("RAY_SERVE_THROUGHPUT_OPTIMIZED", "1")
    environment.setenv("RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "0")  # else Serve's shutdown takes 30 s
    start_ray()
    try:
        serve.start(proxy_location="Disabled")
        both = serve.deployment(_Both).options(name="both", ray_actor_options={"num_cpus": 0})
        serve.run(both.bind(_engine(WIDE, 2, 100), _engine(NARROW, 1, NARROW_LIMIT)), name=APP, route_prefix=None)
        yield
    finally:
        serve.shutdown()
        ray.shutdown()
        environment.undo()


@pytest.fixture(scope="module")
def gateway_of(engines: None) -> Callable[[str], Any]:
    """The gateway of an implementation; one each for all tests."""
    gateways: dict[str, Any] = {}

    def gateway(implementation: str) -> Any:
        if implementation not in gateways:
            gateways[implementation] = FakeGateway.remote(implementation)
        return gateways[implementation]

    return gateway


@pytest.fixture(params=[HANDLE, STEPPED, CALLS])
def implementation(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def gateway(gateway_of: Callable[[str], Any], implementation: str) -> Any:
    return gateway_of(implementation)
