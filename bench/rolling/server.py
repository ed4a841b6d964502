"""A cluster that takes new configurations while it runs, as Ray Serve deploys them in place (so does KubeRay's RayService).

    python -m bench.rolling.server --config FILE --inbox FOLDER [--fake]

A configuration that is put into the inbox as ``N.json`` is deployed; ``N.done`` follows when all of it runs, ``N.failed`` with the
reason when it can't.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.config.loading import load
from cluster.config.schema import ClusterConfig
from cluster.runtime.launch import serve
from cluster.runtime.preparation import prepare

if TYPE_CHECKING:
    from ray.serve import Application

_POLL_S = 0.2


def build_fake(config: ClusterConfig) -> Application:
    """The cluster's application with fake engines. Imports Ray Serve, which must find its environment set."""
    from bench.fakes.engine import FakeServedEngine
    from cluster import app

    return app.build(config, engine_replica=FakeServedEngine)


def build_real(config: ClusterConfig) -> Application:
    from cluster import app

    return app.build(config)


def deploy(coming: Path, env: Mapping[str, str], *, fake: bool) -> None:
    """Returns when all of the configuration runs. Raises ``ConfigError``, ``StartError`` or what Ray Serve raises."""
    from ray import serve as ray_serve

    from cluster import app

    config = prepare(load(coming, env))
    target = ray_serve.RunTarget(target=(build_fake if fake else build_real)(config), name=app.NAME, route_prefix="/")
    ray_serve.run_many([target], wait_for_ingress_deployment_creation=True, wait_for_applications_running=True)


def deploy_what_comes(inbox: Path, env: Mapping[str, str], *, fake: bool) -> None:
    """For as long as the process lives. ``env``: what settings may come from, as it was before the cluster put its own there."""
    number = 1
    while True:
        coming = inbox / f"{number}.json"
        if not coming.exists():
            time.sleep(_POLL_S)
            continue
        try:
            deploy(coming, env, fake=fake)
        except Exception:  # noqa: BLE001 - whoever waits for it is told
            failed = coming.with_suffix(".part")
            failed.write_text(traceback.format_exc())
            failed.rename(coming.with_suffix(".failed"))
        else:
            coming.with_suffix(".done").touch()
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rolling.server", description="A cluster that takes configurations.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--inbox", type=Path, required=True)
    parser.add_argument("--fake", action="store_true", help="fake engines")
    options = parser.parse_args()
    deploying = partial(deploy_what_comes, options.inbox, dict(os.environ), fake=options.fake)
    deployer = threading.Thread(target=deploying, daemon=True)
    serve(
        load(options.config),
        on_progress=lambda progress: print(f"{progress.elapsed_s:.1f} s {progress.step} {progress.detail}", flush=True),
        on_ready=lambda started: deployer.start(),
        on_warning=lambda warning: print(warning, flush=True),
        build=build_fake if options.fake else build_real,
    )


if __name__ == "__main__":
    main()
