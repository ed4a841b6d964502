"""``ossature serve``: the cluster in the foreground, or detached from the terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.configuration import ConfigOption, ModelOption
from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json

if TYPE_CHECKING:
    from cluster.runtime.launch import Progress, Started

_STEPS = {
    "cleanup": "Ending what an interrupted run left behind",
    "database": "Preparing the database",
    "ray": "Starting Ray",
    "supervisor": "Starting metrics",
    "serve": "Starting Ray Serve",
    "engines": "Loading models",
    "edges": "Waiting for the first answer",
    "stopping": "Stopping: letting requests in flight end",
    "stopped": "Stopped",
}
_DETACHED_POLL_S = 0.3
_STOP_POLL_S = 0.2
#: A wait shorter than this needs no word where nobody watches.
_QUIET_S = 2.0


@command
def serve(
    config: ConfigOption = None,
    model: ModelOption = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when the cluster serves; end it with `ossature stop`.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Start the cluster and keep it until Ctrl-C.

    Example: ossature serve --config configs/gpt-oss-20b-1x24gb.yaml --detach
    """
    from cluster.config.loading import load

    loaded = load(config, only_model=model)
    if detach:
        _detached(config, model, loaded.data_dir, as_json=as_json)
        return
    from cluster.runtime.launch import serve as run_cluster
    from cluster.runtime.lost_ray import RayLost
    from cluster.runtime.preparation import StartError
    from cluster.runtime.run_record import AlreadyRunning

    printer = _Printer()

    def ready(started: Started) -> None:
        printer.finish()
        if as_json:
            from dataclasses import asdict

            emit_json(asdict(started.endpoints))
        else:
            from cluster.cli.welcome import welcome

            typer.echo(welcome(started.endpoints, started.elapsed_s))
        sys.stdout.flush()

    try:
        run_cluster(loaded, on_progress=printer.show, on_ready=ready, on_warning=printer.warn)
    except AlreadyRunning as running:
        raise CommandError(
            f"{running} from the data folder {loaded.data_dir}",
            next_step="See it with `ossature status`, end it with `ossature stop`, or use another OSSATURE_DATA_DIR and ports.",
        ) from running
    except StartError as error:
        raise CommandError(str(error)) from error
    except RayLost as error:
        raise CommandError(
            f"the cluster has ended: {error}", next_step="Start it again. The logs of Ray are in /tmp/ray/session_latest/logs."
        ) from error
    finally:
        printer.finish()


class _Printer:
    """Progress on standard error: one line that is rewritten on a terminal, a line a step elsewhere."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self._last = ""
        self._open = False

    def show(self, progress: Progress) -> None:
        text = _STEPS.get(progress.step, progress.step) + (f": {progress.detail}" if progress.detail else "")
        self.line(text, progress.elapsed_s)

    def line(self, text: str, elapsed_s: float) -> None:
        if self.live:
            sys.stderr.write(f"\r\x1b[2K[{elapsed_s:5.1f} s] {text[:200]}")
            self._open = True
        elif text != self._last:
            sys.stderr.write(f"[{elapsed_s:5.1f} s] {text}\n")
        self._last = text
        sys.stderr.flush()

    def warn(self, text: str) -> None:
        self.finish()
        typer.secho(f"Warning: {text}", err=True, fg=typer.colors.YELLOW)

    def finish(self) -> None:
        if self._open:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._open = False


def _detached(config: Path | None, model: str | None, data_dir: Path, *, as_json: bool) -> None:
    import json
    import subprocess

    from cluster.runtime.preparation import StartError, make_data_dir
    from cluster.runtime.run_record import running

    record = running(data_dir)
    if record is not None:
        raise CommandError(
            f"a cluster is running already (process {record.pid}) from the data folder {data_dir}",
            next_step="See it with `ossature status`, or end it with `ossature stop`.",
        )
    try:
        make_data_dir(data_dir)
    except StartError as error:
        raise CommandError(str(error)) from error
    log = data_dir / "serve.log"
    arguments = [sys.executable, "-m", "cluster.cli", "serve", "--json"]
    arguments += ["--config", str(config)] if config is not None else []
    arguments += ["--model", model] if model is not None else []
    endpoints = data_dir / "endpoints.json"
    endpoints.unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output, start_new_session=True
        )
    shown = 0
    while not endpoints.exists():
        lines = log.read_text(errors="replace").splitlines()
        for line in lines[shown:]:
            typer.echo(line, err=True)
        shown = len(lines)
        if process.poll() is not None:
            raise CommandError("the cluster did not start", next_step=f"Its output is in {log}.")
        time.sleep(_DETACHED_POLL_S)
    content = json.loads(endpoints.read_text())
    if as_json:
        emit_json(content)
    else:
        typer.echo(f"Serving on {content['http']} (process {process.pid}). Stop it with `ossature stop`; its output is in {log}.")


@command
def stop(
    config: ConfigOption = None,
    timeout_s: Annotated[float, typer.Option("--timeout", min=1, help="Longest wait for its end, in seconds.")] = 120.0,
    as_json: JsonFlag = False,
) -> None:
    """Stop the cluster of this data folder; requests in flight may end first.

    Example: ossature stop
    """
    import os
    import signal

    from cluster.config.loading import load
    from cluster.runtime.run_record import running

    data_dir = load(config).data_dir
    record = running(data_dir)
    if record is None:
        raise CommandError(f"no cluster runs from the data folder {data_dir}", exit_code=ExitCode.UNREACHABLE)
    os.kill(record.pid, signal.SIGTERM)
    began = time.monotonic()
    printer = _Printer()
    try:
        while running(data_dir) is not None:
            elapsed_s = time.monotonic() - began
            if elapsed_s > timeout_s:
                raise CommandError(f"the cluster (process {record.pid}) is still stopping after {timeout_s:.0f} s")
            if printer.live or elapsed_s > _QUIET_S:
                printer.line(f"Stopping process {record.pid}: letting requests in flight end", elapsed_s)
            time.sleep(_STOP_POLL_S)
    finally:
        printer.finish()
    if as_json:
        emit_json({"stopped": True, "pid": record.pid})
    else:
        typer.echo(f"Stopped (process {record.pid}).")
