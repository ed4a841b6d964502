"""``ossature replay``: routing policies on a trace or a generated workload, in a simulation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cluster.cli.output import CommandError, ExitCode, command, emit_table
from cluster.replay.compare import Progress as OnProgress
from cluster.replay.compare import compare
from cluster.replay.engine_profile import GPT_OSS_120B_H200, PROFILES
from cluster.replay.fleet_events import Change, FleetEvent
from cluster.replay.gateway import GatewaySettings
from cluster.replay.plot import svg
from cluster.replay.policies import OURS, POLICIES
from cluster.replay.report import Report
from cluster.replay.reports import CHANNEL_PERIOD_S
from cluster.replay.simulation import Scenario
from cluster.replay.traces import TraceError, read_trace, spread_arrivals
from cluster.replay.workload import Workload
from cluster.replay.workloads import WORKLOADS, generate

COLUMNS = (
    "policy",
    "hit %",
    "of oracle %",
    "ttft mean",
    "p50",
    "p90",
    "p99 ms",
    "load",
    "orgs",
    "forced off",
    "failed",
    "decision us",
)


@command
def replay(
    trace: Annotated[Path | None, typer.Option(help="A trace in Mooncake's format.")] = None,
    workload: Annotated[str | None, typer.Option(help=f"A generated workload: {', '.join(WORKLOADS)}.")] = None,
    replicas: Annotated[int, typer.Option(min=1, max=1024, help="Replicas of the model.")] = 4,
    gateways: Annotated[int, typer.Option(min=1, max=64, help="Gateways, each with a view of its own.")] = 1,
    policy: Annotated[str, typer.Option(help=f"One of {', '.join(POLICIES)}.")] = OURS,
    all_policies: Annotated[bool, typer.Option("--all-policies", help="Compare all policies.")] = False,
    precise: Annotated[bool, typer.Option("--precise", help="As with `routing.index: precise`.")] = False,
    engine: Annotated[str, typer.Option(help=f"Engine model: {', '.join(PROFILES)}.")] = GPT_OSS_120B_H200.name,
    kv_tokens: Annotated[int | None, typer.Option("--kv-tokens", min=1024, help="KV cache of a replica, in tokens.")] = None,
    join: Annotated[list[float] | None, typer.Option(help="A replica joins at this second; may be repeated.")] = None,
    die: Annotated[list[str] | None, typer.Option(help="SECOND:REPLICA, the replica with that number dies.")] = None,
    drain: Annotated[list[str] | None, typer.Option(help="SECOND:REPLICA, it takes no new requests from then on.")] = None,
    spread_s: Annotated[
        float, typer.Option("--spread", min=0.0, help="Spread requests recorded at the same instant over so many seconds.")
    ] = 0.0,
    channel_period_s: Annotated[
        float, typer.Option("--load-period", min=0.0, help="`routing.load_period_s`; 0: as with the relay `handle`.")
    ] = CHANNEL_PERIOD_S,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures there.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a plot there, as SVG.")] = None,
) -> None:
    """Replay a trace or a workload through the routing code, in a simulation of gateways and engine replicas.

    Example: ossature replay --workload organizations --replicas 8 --kv-tokens 300000 --all-policies
    """
    names = list(POLICIES) if all_policies else [policy]
    if policy not in POLICIES:
        raise _usage(f"there is no policy {policy!r}", f"Policies: {', '.join(POLICIES)}.")
    if engine not in PROFILES:
        raise _usage(f"there is no engine model {engine!r}", f"Engine models: {', '.join(PROFILES)}.")
    profile = PROFILES[engine]
    scenario = Scenario(
        replicas=replicas,
        gateways=gateways,
        profile=profile if kv_tokens is None else replace(profile, kv_tokens=kv_tokens),
        settings=GatewaySettings(index="precise" if precise else "soft"),
        events=tuple(_events(join or [], die or [], drain or [], replicas)),
        channel_period_s=channel_period_s,
        seed=seed,
    )
    load = _load(trace, workload, replicas, seed)
    if spread_s > 0.0:
        load = spread_arrivals(load, spread_s)
    with _progress(len(load.requests)) as on_progress:
        reports = compare(load, scenario, POLICIES, names, on_progress)
    emit_table(COLUMNS, [_row(report) for report in reports], empty="no policy")
    if json_file is not None:
        _write(json_file, msgspec.json.format(msgspec.json.encode(_document(load, scenario, reports)), indent=1))
    if plot is not None:
        _write(plot, svg(f"{load.name}: {replicas} replicas, {gateways} gateway(s)", reports).encode())


def _load(trace: Path | None, workload: str | None, replicas: int, seed: int) -> Workload:
    if (trace is None) == (workload is None):
        raise _usage("give either --trace or --workload", f"Workloads: {', '.join(WORKLOADS)}.")
    if workload is not None:
        if workload not in WORKLOADS:
            raise _usage(f"there is no workload {workload!r}", f"Workloads: {', '.join(WORKLOADS)}.")
        return generate(workload, replicas, seed)
    assert trace is not None
    try:
        return read_trace(trace)
    except TraceError as error:
        raise _usage(f"{trace} is not a trace: {error}", "docs/replay.md describes the format.") from None
    except OSError as error:
        raise _usage(f"{trace} can't be read: {error.strerror}", "Give the path of a trace with --trace.") from None


def _events(join: list[float], die: list[str], drain: list[str], replicas: int) -> Iterator[FleetEvent]:
    for at_s in join:
        yield FleetEvent(at_s, Change.JOIN)
    for change, values in ((Change.DIE, die), (Change.DRAIN, drain)):
        for value in values:
            at, _, number = value.partition(":")
            try:
                event = FleetEvent(float(at), change, int(number))
            except ValueError:
                raise _usage(f"{value!r} is not SECOND:REPLICA", f"Example: --{change} 600:0") from None
            if not 0 <= event.replica < replicas:
                raise _usage(f"there is no replica {event.replica}", f"They are numbered from 0 to {replicas - 1}.")
            yield event


def _row(report: Report) -> tuple[object, ...]:
    return (
        report.policy,
        f"{report.hit_rate * 100:.1f}",
        f"{report.of_oracle * 100:.1f}",
        f"{report.ttft_mean_ms:,.0f}",
        f"{report.ttft_p50_ms:,.0f}",
        f"{report.ttft_p90_ms:,.0f}",
        f"{report.ttft_p99_ms:,.0f}",
        f"{report.load_spread:.2f}",
        f"{report.org_spread:.2f}",
        report.forced_off,
        report.failed,
        f"{report.decision_us:.0f}",
    )


def _document(workload: Workload, scenario: Scenario, reports: list[Report]) -> dict[str, object]:
    return {
        "workload": workload.name,
        "requests": len(workload.requests),
        "replicas": scenario.replicas,
        "gateways": scenario.gateways,
        "load_period_s": scenario.channel_period_s,
        "index": scenario.settings.index,
        "engine": scenario.profile.name,
        "kv_tokens": scenario.profile.kv_tokens,
        "seed": scenario.seed,
        "policies": [report.as_json() for report in reports],
    }


@contextmanager
def _progress(requests: int) -> Iterator[OnProgress]:
    """A bar on standard error for people; nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bars:
        task = bars.add_task("", total=requests)
        yield lambda name, arrived: bars.update(task, description=name, completed=arrived)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}") from None


def _usage(message: str, next_step: str) -> CommandError:
    return CommandError(message, next_step=next_step, exit_code=ExitCode.USAGE)
