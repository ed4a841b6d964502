"""``ossature doctor``: what is wrong with this machine and configuration, and the next step, without starting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.configuration import ConfigOption, ModelOption
from cluster.cli.output import ExitCode, JsonFlag, command, emit_json, note, printable

if TYPE_CHECKING:
    from cluster.runtime.doctor.finding import Finding

_MARKS = {"ok": "ok", "warning": "WARN", "problem": "FAIL", "unknown": "?"}
_COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "problem": typer.colors.RED, "unknown": typer.colors.CYAN}


@command
def doctor(
    config: ConfigOption = None,
    model: ModelOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Leave out what is well.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check this machine against the configuration: ports, GPUs, memory, disks, models, database, secrets, sandbox, speech.

    Starts no cluster and changes nothing; needs none that runs. Ends with 1 when something is a problem; warnings and what can't be
    told end with 0.

    Example: ossature doctor --config configs/gpt-oss-20b-1x24gb.yaml
    """
    import asyncio

    from cluster.config.loading import load
    from cluster.runtime.doctor.examination import checks_of, counts, examined, worst_first

    loaded = load(config, only_model=model)
    note("Looking; the sandbox and the synthesizer are tried for real …")
    findings = asyncio.run(examined(checks_of(loaded)))
    total = counts(findings)
    shown = [finding for finding in worst_first(findings) if not (quiet and finding.outcome.value == "ok")]
    if as_json:
        emit_json({"healthy": not total["problem"], "counts": total, "findings": [finding.to_json() for finding in shown]})
    else:
        _print(shown)
        typer.echo(
            f"{total['problem']} problems, {total['warning']} warnings, {total['unknown']} that can't be told, {total['ok']} fine."
        )
    if total["problem"]:
        raise typer.Exit(ExitCode.FAILED)


def _print(findings: list[Finding]) -> None:
    width = max((len(f"{finding.check}: {finding.subject}") for finding in findings), default=0)
    for finding in findings:
        outcome = finding.outcome.value
        typer.secho(f"{_MARKS[outcome]:<5}", fg=_COLOURS[outcome], nl=False)
        typer.echo(printable(f"{finding.check}: {finding.subject}".ljust(min(width, 48)) + f"  {finding.message}"))
        if finding.next_step:
            typer.echo(printable(f"      → {finding.next_step}"))
