"""A gateway's inside and its HTTP edge under uvicorn, set up like the deployment, with Ray Serve left out.

    python -m bench.gateway.server --port PORT --replica-port PORT --folder FOLDER --key SECRET

Keys, admission, routing, the relay's channel, metrics files and the usage ledger (SQLite) are the real ones.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import signal
import time
from pathlib import Path

import uvicorn
import uvloop

from bench.fakes.worker import MODEL
from bench.gateway.fake_handle import CHANNEL_KEY, REPLICA_ID, FakeHandle
from bench.gateway.fake_router import FakeRouter
from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.telemetry import LoggingSettings
from cluster.edges.http.app import build_app
from cluster.identity.authenticator import Authenticator
from cluster.identity.bootstrap import ensure_organization
from cluster.identity.directory import Directory
from cluster.inference.cluster_inference import ClusterInference
from cluster.inference.prefix_planner import PrefixPlanner
from cluster.inference.recorder import ClusterRecorder
from cluster.prompt_cache.salt import SaltDeriver
from cluster.relay.stepped import SteppedRelay
from cluster.routing.policies.by_name import PolicyOptions
from cluster.store import schema
from cluster.store.database import Database
from cluster.store.ledger import UsageLedger
from cluster.telemetry import logs
from cluster.telemetry.metrics import GatewayMetrics
from cluster.telemetry.relay_metrics import RelayMetrics


class _Ready:
    ready = True
    waiting: tuple[str, ...] = ()


async def _no_status(_: object) -> dict[str, object]:
    return {}


async def run(options: argparse.Namespace) -> None:
    config = ClusterConfig(models=[ModelSettings(id=MODEL, source=MODEL)], logging=LoggingSettings(level="WARNING"))
    logs.configure(config.logging, "gateway")
    url = f"sqlite+aiosqlite:///{options.folder / 'ossature.db'}"
    await schema.upgrade(url)
    database = Database.open(url, config.database)
    await ensure_organization(database, "Bench", options.key)
    ledger = UsageLedger(database)
    await ledger.start()
    authenticator = Authenticator(database, config.identity, time.monotonic)
    await authenticator.start()
    metrics = GatewayMetrics([MODEL])
    handle = await FakeHandle.listen(options.replica_port)
    options_of_policy = PolicyOptions(
        config.routing.load_factor, config.routing.index_entries, config.routing.block_bytes, config.routing.recompute_weight
    )
    FakeRouter(REPLICA_ID, options_of_policy).publish(handle.deployment_name)
    relay = SteppedRelay({MODEL: handle}, config.relay, CHANNEL_KEY, RelayMetrics())  # type: ignore[dict-item]
    await relay.start("127.0.0.1")
    planner = PrefixPlanner(
        SaltDeriver(b"the secret of the benchmark alone", config.prompt_cache, time.time),
        config.prompt_cache,
        config.routing,
        lambda model: 1,
    )
    inference = ClusterInference(
        models={MODEL: config.models[0]},
        relay=relay,
        planner=planner,
        limit=ConcurrencyLimit(config.admission.max_concurrent_requests_per_organization),
        max_in_progress=config.gateway.max_ongoing_requests,
        recorder=ClusterRecorder(metrics, ledger, planner.remembered_blocks),
        admission=config.admission,
        has_replica=lambda model: True,
    )
    app = build_app(
        inference=inference,
        authenticate=authenticator.authenticate,
        directory=Directory(database),
        settings=config.http,
        readiness=_Ready,
        status=_no_status,
    )
    # As Ray Serve sets it up (ray/serve/_private/http_util.py).
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=options.port, lifespan="off", access_log=False, log_level=None, log_config=None)
    )
    # uvicorn's own handling ends the process before what follows here.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, setattr, server, "should_exit", True)
    await server.serve()
    await asyncio.gather(authenticator.close(), ledger.close(), relay.close())
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.server")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--replica-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--profile", type=Path, help="profile the event loop and write cProfile's figures there at the end")
    options = parser.parse_args()
    if options.profile is None:
        uvloop.run(run(options))
        return
    # Processor time of this thread: by the clock, a busy machine would be in the figures.
    profile = cProfile.Profile(time.thread_time)
    try:
        profile.runcall(uvloop.run, run(options))
    finally:
        profile.dump_stats(options.profile)


if __name__ == "__main__":
    main()
