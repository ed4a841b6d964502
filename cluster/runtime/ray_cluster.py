"""Starting or joining Ray."""

from __future__ import annotations

from typing import Any

from cluster.config.schema import ClusterConfig
from cluster.runtime import processes
from cluster.runtime.preparation import StartError
from cluster.runtime.ray_token import ensure_private_token
from cluster.runtime.serve_environment import is_confined

NAMESPACE = "ossature"
#: Ray's own resource of the head node; a share of it places a task or an actor there.
ON_HEAD = {"node:__internal_head__": 0.001}
_ATTEMPTS = 3
_SLOW_START = "timed out during startup"


def start_ray(config: ClusterConfig, run_id: str) -> None:
    """Connect to ``ray.address``, or start Ray on this machine. Raises ``StartError``.

    Every process that it starts carries the run's mark and runs our set-up hook first.
    """
    import ray

    options: dict[str, Any] = {
        "address": config.ray.address or "local",
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "configure_logging": False,
        "runtime_env": {
            "worker_process_setup_hook": f"cluster.runtime.worker_setup.{'confined' if is_confined(config) else 'plain'}"
        },
    }
    if config.ray.address is None:
        ensure_private_token()
        options |= {
            "num_cpus": config.ray.num_cpus,
            "object_store_memory": config.ray.object_store_memory_bytes,
            "include_dashboard": False,
        }
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(**options)
        except Exception as error:
            # Ray raises bare exceptions here. Its own limit of 30 s for a node's start can't be set; a busy machine needs longer.
            if config.ray.address is None:
                processes.end_all(run_id)
            if _SLOW_START in str(error) and attempt < _ATTEMPTS:
                continue
            raise StartError(f"Ray did not start: {error}") from error
        return


def node_alive() -> bool:
    """Whether Ray's control service takes this machine's node for alive. Waits as long as that service doesn't answer."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == own and node["Alive"] for node in ray.nodes())


def serve_settled() -> bool:
    """Whether Ray Serve's controller runs, or there is none: one whose host was lost is started again elsewhere."""
    from ray._private.state import actors
    from ray.serve._private.constants import SERVE_CONTROLLER_NAME

    states = {actor["State"] for actor in actors().values() if actor["Name"] == SERVE_CONTROLLER_NAME}
    return states <= {"ALIVE", "DEAD"}
