"""Starts the cluster, waits until it serves, keeps it until asked to stop, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.config.schema import ClusterConfig
from cluster.runtime import processes
from cluster.runtime.credentials import provide
from cluster.runtime.endpoints import Endpoints, reachable
from cluster.runtime.exposure import exposures
from cluster.runtime.lost_ray import RayLost, end_processes, last_word, leave_after, leave_without_ray
from cluster.runtime.merged_models import join_merged
from cluster.runtime.preparation import StartError, check_ports, prepare
from cluster.runtime.ray_cluster import node_alive, serve_settled, start_ray
from cluster.runtime.ray_watch import RayWatch
from cluster.runtime.run_record import RunLock, RunRecord
from cluster.runtime.serve_environment import serve_environment
from cluster.tuned.names import is_tuned

if TYPE_CHECKING:
    from ray.serve import Application

    from cluster.runtime.supervisor import ColdStart

_POLL_S = 0.5
_DRAIN_S = 20.0
_SHUTDOWN_S = 20.0
_RAY_SHUTDOWN_S = 20.0
_SUPERVISOR_START_S = 180.0
_SETTLED_WITHIN_S = 90.0
"""Ray takes a host that is lost for dead after half a minute and more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the start stands. ``step`` is stable text, ``detail`` changes while it runs, ``elapsed_s`` since the start began."""

    step: str
    detail: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Started:
    endpoints: Endpoints
    elapsed_s: float


def serve(
    config: ClusterConfig,
    *,
    on_progress: Callable[[Progress], None],
    on_ready: Callable[[Started], None],
    on_warning: Callable[[str], None],
    stop: threading.Event | None = None,
    build: Callable[[ClusterConfig], Application] | None = None,
) -> None:
    """Run the cluster in this process's foreground until SIGINT, SIGTERM or ``stop``.

    ``on_warning`` is told what the start leaves open to others. ``build`` makes the application, ``app.build`` unless given; it is
    called when Ray Serve may be imported. Raises ``StartError`` and ``AlreadyRunning``; whatever was started
    by then is ended first. Raises ``RayLost`` at most ``ray.lost_after_s`` and half a minute
    after Ray has died underneath: this process is to end then, and whoever supervises it to start it anew.
    """
    began = time.monotonic()

    def report(step: str, detail: str = "") -> None:
        on_progress(Progress(step, detail, time.monotonic() - began))

    stop = stop or threading.Event()
    config = prepare(config)
    run_id = secrets.token_hex(8)
    lock = RunLock(config.data_dir)
    interrupted = lock.acquire(RunRecord(os.getpid(), run_id, time.time()))
    endpoints_file: Path | None = None
    if interrupted is not None:
        # Killed before it could clean up: its Ray would hold the ports and answer with an old configuration.
        report("cleanup")
        processes.end_all(interrupted.run_id)
    try:
        for warning in exposures(config):
            on_warning(warning)
        with _stopped_by_signals(stop) as take_signals:
            check_ports(config)
            report("database")
            api_key, admin_key = asyncio.run(provide(config))
            endpoints = Endpoints.of(config, api_key, admin_key)
            merged = asyncio.run(join_merged(config))
            config = merged.config
            for warning in merged.left_out:
                on_warning(warning)
            os.environ.update(serve_environment(config) | {processes.RUN_VARIABLE: run_id})
            ended = threading.Event()
            own_run = run_id if config.ray.address is None else None
            watch = RayWatch(node_alive, config.ray.lost_after_s, lambda reason: leave_after(reason, stop, ended, own_run))
            try:
                _bring_up(config, run_id, report, stop, take_signals, build, watch)
                if not stop.is_set():
                    endpoints_file = endpoints.write(config.data_dir)
                    on_ready(Started(endpoints, time.monotonic() - began))
                    stop.wait()
            except Exception as error:
                if watch.lost is None:
                    raise
                raise RayLost(watch.lost) from error
            finally:
                if endpoints_file is not None:
                    endpoints_file.unlink(missing_ok=True)
                report("stopping")
                watch.stop()
                _take_down(config, run_id, lost=watch.lost is not None)
                ended.set()
                report("stopped")
            if watch.lost is not None:
                raise RayLost(watch.lost)
    finally:
        lock.release()


def _bring_up(
    config: ClusterConfig,
    run_id: str,
    report: Callable[[str, str], None],
    stop: threading.Event,
    take_signals: Callable[[], None],
    build: Callable[[ClusterConfig], Application] | None,
    watch: RayWatch,
) -> None:
    # Imported here: Ray Serve reads its environment when it is imported.
    import ray
    from ray import serve as ray_serve
    from ray.serve.config import HTTPOptions, gRPCOptions

    from cluster import app
    from cluster.edges.grpc import registration
    from cluster.runtime import supervisor

    report("ray", "starting" if config.ray.address is None else f"connecting to {config.ray.address}")
    if config.ray.address is None:
        # On a Ray of others replicas of the former run may live, and write there.
        shutil.rmtree(app.metrics_directory(config), ignore_errors=True)
    app.metrics_directory(config).mkdir(parents=True, exist_ok=True)
    keeper = _with_supervisor(config, run_id, lambda: supervisor.start(config, str(app.metrics_directory(config))), stop)
    take_signals()
    watch.start()
    report("supervisor", "")
    try:
        ray.get(keeper.ready.remote(), timeout=_SUPERVISOR_START_S)
    except ray.exceptions.GetTimeoutError:
        raise StartError(f"the metrics exporters were not ready within {_SUPERVISOR_START_S:.0f} s.") from None

    report("serve", "")
    functions = list(registration.SERVICER_FUNCTIONS) if config.grpc.enabled else []
    ray_serve.start(
        http_options=HTTPOptions(host=config.http.host, port=config.http.port),
        grpc_options=gRPCOptions(
            port=config.grpc.port, grpc_servicer_functions=functions, enable_reflection=config.grpc.reflection
        ),
    )
    ray_serve.run_many(
        [ray_serve.RunTarget(target=(build or app.build)(config), name=app.NAME, route_prefix="/")],
        wait_for_ingress_deployment_creation=True,
        wait_for_applications_running=False,
    )
    _await_running(config, keeper, report, stop)


def _with_supervisor(config: ClusterConfig, run_id: str, start: Callable[[], Any], stop: threading.Event) -> Any:
    """Start or join Ray, and what ``start`` starts there. A Ray that survives its launcher takes a while to notice its end.

    Raises ``StartError`` where it never settles.
    """
    import ray

    from cluster.runtime.supervisor import FormerSupervisor

    deadline = time.monotonic() + _SETTLED_WITHIN_S
    while True:
        start_ray(config, run_id)
        try:
            if serve_settled():
                return start()
            unsettled = "Ray Serve's controller on this Ray does not come up."
        except FormerSupervisor:
            unsettled = "another `ossature serve` has its cluster on this Ray; `ossature stop` ends it."
        # Joined anew afterwards: a process that joined before Ray had taken the lost host for dead and started the controller
        # elsewhere may wait for its answers for ever.
        ray.shutdown()
        if stop.wait(_POLL_S):
            raise StartError("it was stopped before Ray had given up the former cluster.")
        if time.monotonic() > deadline:
            raise StartError(unsettled)


def _await_running(config: ClusterConfig, keeper: Any, report: Callable[[str, str], None], stop: threading.Event) -> None:
    """Until the application runs and answers. Raises ``StartError`` with the replicas' own reason when it can't."""
    import ray
    from ray import serve as ray_serve
    from ray.serve.schema import ApplicationStatus, DeploymentStatus

    from cluster import app

    optional = {app.engine_deployment_name(model.id) for model in config.models if is_tuned(model.id)}
    deadline = time.monotonic() + max(model.start_timeout_s for model in config.models)
    while not stop.is_set():
        overview = ray_serve.status().applications.get(app.NAME)
        if overview is not None:
            # Tuned models with engines of their own are no part of the cluster's start: they may want more GPUs than there are.
            needed = [found.status for name, found in overview.deployments.items() if name not in optional]
            if overview.status is ApplicationStatus.RUNNING or (needed and set(needed) == {DeploymentStatus.HEALTHY}):
                break
            failed = (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY)
            broken = {DeploymentStatus.DEPLOY_FAILED, DeploymentStatus.UNHEALTHY} & set(needed)
            if overview.status in failed and (broken or not needed or len(needed) == len(overview.deployments)):
                reasons = [
                    f"{name}: {deployment.message}" for name, deployment in overview.deployments.items() if deployment.message
                ]
                raise StartError("the cluster did not start.\n" + "\n".join(reasons or [overview.message]))
        try:
            cold_starts = ray.get(keeper.cold_starts.remote(), timeout=_POLL_S * 20)
            report("engines", "; ".join(_cold_start_line(start) for start in cold_starts))
        except ray.exceptions.GetTimeoutError:
            pass  # a busy host; the next look tells
        if time.monotonic() > deadline:
            raise StartError("the engines were not ready within models[].start_timeout_s.")
        stop.wait(_POLL_S)
    report("edges", "")
    while not stop.is_set() and not _answers(config):
        if time.monotonic() > deadline:
            raise StartError(f"nothing answers on {config.http.host}:{config.http.port}.")
        stop.wait(_POLL_S)


def _cold_start_line(start: ColdStart) -> str:
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in start.phases.items())
    return f"{start.model}: {'ready' if start.done else 'loading'}{f' ({phases})' if phases else ''}"


def _answers(config: ClusterConfig) -> bool:
    import httpx

    url = f"http://{reachable(config.http.host)}:{config.http.port}/readyz"
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _take_down(config: ClusterConfig, run_id: str, *, lost: bool) -> None:
    """``lost``: Ray is dead and can end nothing. On a Ray that others have started our application stays then, for the next run."""
    import ray
    from ray import serve as ray_serve

    ended = True
    if not lost and ray.is_initialized():
        # Nothing that hangs must hold us: a Ray of our own is ended as a whole afterwards.
        drained = _within(_DRAIN_S, "drain", _end_application)
        if config.ray.address is None:
            if not drained:
                last_word(run_id)
            # Not before: it ends HAProxy at once, and with it what clients are still told.
            _within(_SHUTDOWN_S, "serve-shutdown", ray_serve.shutdown)
        ended = _within(_RAY_SHUTDOWN_S, "ray-shutdown", ray.shutdown)
    if config.ray.address is None:
        (end_processes if lost else processes.end_all)(run_id)
    if lost or not ended:
        leave_without_ray()


def _within(limit_s: float, name: str, call: Callable[[], object]) -> bool:
    """Make a call that may hang. Whether it ended within ``limit_s``."""
    thread = threading.Thread(target=call, daemon=True, name=name)
    thread.start()
    thread.join(limit_s)
    return not thread.is_alive()


def _end_application() -> None:
    """Ours alone, since others may serve from a Ray that runs already. Its replicas take nothing new, and end what they do."""
    from ray import serve as ray_serve
    from ray.serve.exceptions import RayServeException

    from cluster import app

    with suppress(RayServeException):  # there is no Serve: the start failed before it
        ray_serve.delete(app.NAME)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[Callable[[], None]]:
    """SIGINT and SIGTERM ask for an orderly end. Yields what takes the signals back after Ray has put its own handlers there."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.getsignal(number) for number in numbers}

    def take_signals() -> None:
        for number in numbers:
            signal.signal(number, lambda *_: stop.set())

    take_signals()
    try:
        yield take_signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
