"""``ossature secret``: generations of the cluster secret that lies in the data folder. The secret itself is never shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.configuration import ConfigOption
from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, emit_table, when

if TYPE_CHECKING:
    from cluster.config.schema import ClusterConfig
    from cluster.runtime.cluster_secret import Generations, SecretFile

app = typer.Typer(no_args_is_help=True, help="The cluster secret: list its generations, rotate, retire.")

LONGEST_CLIENT_SECRET_S = 7200


@app.command("list")
@command
def list_(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """List the generations that live, by fingerprints.

    Example: ossature secret list
    """
    with _file(config) as (file, _):
        found = file.read()
    _show(found, as_json=as_json)


@app.command()
@command
def rotate(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Make a new generation the current one; the former is accepted until it is retired. Both take effect at the next start.

    Every cached prefix is cold after that start.

    Example: ossature secret rotate && ossature stop && ossature serve --detach
    """
    with _file(config) as (file, _):
        found = file.rotate()
    _show(found, as_json=as_json)
    if not as_json:
        typer.echo("Next: restart the cluster, and `ossature secret retire` when what was made before has expired.", err=True)


@app.command()
@command
def retire(
    config: ConfigOption = None,
    force: Annotated[bool, typer.Option("--force", help="Even if client secrets and audio ids of it may still be valid.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Accept the former generation no longer, from the next start on.

    Example: ossature secret retire
    """
    from cluster.runtime.run_record import running

    with _file(config) as (file, loaded):
        run = running(loaded.data_dir)
        lifetime_s = max(LONGEST_CLIENT_SECRET_S, loaded.speech.audio_id_ttl_s)
        found = file.retire(lifetime_s, started_at=run.started_unix_s if run is not None else None, force=force)
    _show(found, as_json=as_json)


@contextmanager
def _file(path: ConfigOption) -> Iterator[tuple[SecretFile, ClusterConfig]]:
    from cluster.config.loading import load
    from cluster.runtime.cluster_secret import SecretError, SecretFile

    config = load(path)
    if config.secret is not None:
        raise CommandError(
            "the cluster secret comes from the configuration, not from the data folder",
            next_step="Rotate it where it is kept, with accepted_secret; docs/operations.md says in which order.",
            exit_code=ExitCode.USAGE,
        )
    try:
        yield SecretFile(config.data_dir), config
    except SecretError as error:
        raise CommandError(error.message, next_step=error.next_step) from error


def _show(found: Generations | None, *, as_json: bool) -> None:
    both = [] if found is None else [("current", found.current), *([("accepted", found.accepted)] if found.accepted else [])]
    if as_json:
        data = [{"use": use, "fingerprint": each.fingerprint, "made_at": each.made_at} for use, each in both]
        emit_json({"object": "list", "data": data})
        return
    rows = [(use, each.fingerprint, when(each.made_at)) for use, each in both]
    emit_table(("use", "fingerprint", "made"), rows, empty="None yet: the first start makes it.")
