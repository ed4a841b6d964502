"""The application as KubeRay's RayService deploys it: an import path and its arguments, where nothing runs ``ossature serve``.

```yaml
applications:
  - name: ossature
    route_prefix: /
    import_path: cluster.runtime.rayservice:application
    args: {config: "…the text of a configuration file…"}
```

Ray builds an application on whichever node it likes. Secrets (``OSSATURE_SECRET``, ``OSSATURE_DATABASE__URL``,
``OSSATURE_IDENTITY__ADMIN_KEY``) are therefore read, and the database is brought up to date, by a task on the head, the one node
that needs to be given them; engines' nodes are not. What Ray and Serve read when a process starts, the pods' environment must hold:
``serve_environment.ray_environment``, and :data:`SETUP_HOOK` in place of the hook that ``ossature serve`` gives its job.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from cluster.config.loading import load_text
from cluster.config.schema import ClusterConfig
from cluster.runtime.credentials import provide
from cluster.runtime.merged_models import join_merged
from cluster.runtime.preparation import prepare
from cluster.runtime.ray_cluster import ON_HEAD

if TYPE_CHECKING:
    from ray.serve import Application

logger = logging.getLogger(__name__)

#: Variable and value that make every Ray worker process of a pod run ``worker_setup.plain`` first.
SETUP_HOOK = ("__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR", "cluster.runtime.worker_setup.plain")
_SUPERVISOR_START_S = 180.0


class Arguments(BaseModel):
    """``args`` of the application. Unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Text of a configuration file, without secrets: Ray shows it on its dashboard.
    config: str
    #: Means nothing. A new one has the application built anew, and tuned models that came since are served.
    rollout: str = ""


def application(args: dict[str, Any]) -> Application:
    """The cluster's application for :class:`Arguments`.

    Raises ``ConfigError`` and ``StartError``; the RayService's status shows their message.
    """
    import ray

    from cluster import app

    text = Arguments.model_validate(args).config
    on_head = ray.remote(num_cpus=0, resources=ON_HEAD, max_calls=1)(prepared)
    config: ClusterConfig = ray.get(on_head.remote(text))
    return app.build(config)


def prepared(text: str) -> ClusterConfig:
    """Load and prepare a configuration with this process's environment, its database and the supervisor. Runs on the head."""
    from cluster import app

    config = prepare(load_text(text, name="serveConfigV2"))
    asyncio.run(provide(config))
    merged = asyncio.run(join_merged(config))
    for warning in merged.left_out:
        logger.warning("%s", warning)
    config = merged.config
    _ensure_supervisor(config, app.metrics_directory(config))
    return config


def _ensure_supervisor(config: ClusterConfig, metrics_directory: Path) -> None:
    """One supervisor for the life of the Ray cluster: it keeps the ports and the log level that it was started with."""
    import ray

    from cluster.runtime import supervisor

    try:
        supervisor.find()
    except ValueError:
        keeper = supervisor.start(config, str(metrics_directory), detached=True)
        ray.get(keeper.ready.remote(), timeout=_SUPERVISOR_START_S)
