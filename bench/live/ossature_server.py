"""``ossature serve`` with fake engines: everything of the cluster but vLLM, or but vLLM's executor.

python -m bench.live.ossature_server --config FILE [--scripted]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.config.loading import load
from cluster.config.schema import ClusterConfig
from cluster.runtime.launch import serve

if TYPE_CHECKING:
    from ray.serve import Application


def build(config: ClusterConfig) -> Application:
    """The cluster's application with fake engines. Imports Ray Serve, which must find its environment set."""
    from bench.fakes.engine import FakeServedEngine
    from cluster import app

    return app.build(config, engine_replica=FakeServedEngine)


def build_scripted(config: ClusterConfig) -> Application:
    """The same with vLLM, whose executor follows a script."""
    from bench.live.scripted_replica import ScriptedServedEngine
    from cluster import app

    return app.build(config, engine_replica=ScriptedServedEngine)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.live.ossature_server", description="The cluster with fake engines.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--scripted", action="store_true", help="vLLM with a fake executor")
    options = parser.parse_args()
    config = load(options.config)
    serve(
        config,
        on_progress=lambda progress: print(f"{progress.elapsed_s:.1f} s {progress.step} {progress.detail}", flush=True),
        on_ready=lambda started: print(f"ready after {started.elapsed_s:.1f} s", flush=True),
        on_warning=lambda warning: print(warning, file=sys.stderr, flush=True),
        build=build_scripted if options.scripted else build,
    )


if __name__ == "__main__":
    main()
