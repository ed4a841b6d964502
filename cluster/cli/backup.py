"""``ossature backup``: copies of what a cluster can't make anew, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.configuration import ConfigOption
from cluster.cli.output import CommandError, JsonFlag, command, emit_json, when

if TYPE_CHECKING:
    from cluster.runtime.backup.manifest import Manifest

app = typer.Typer(no_args_is_help=True, help="Backups of database, files and secrets: create, verify, restore.")

FileArgument = Annotated[Path, typer.Argument(help="File of the backup.")]


@app.command()
@command
def create(
    file: FileArgument,
    config: ConfigOption = None,
    files: Annotated[bool, typer.Option(help="Take the contents of uploaded files along, where they are in a folder.")] = True,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Take the cluster secret and the first keys along; guard the file accordingly.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Back a cluster up, while it runs or not: its database, and the files that were uploaded to it.

    Example: ossature backup create /backups/2026-11-22.tar --config cluster.yaml
    """
    import asyncio

    from cluster.config.loading import load
    from cluster.runtime.backup.create import create as make
    from cluster.runtime.backup.manifest import Wanted

    loaded = load(config)
    with _translated():
        manifest = asyncio.run(make(loaded, file, Wanted(objects=files, secrets=secrets)))
    _show(manifest, file, as_json=as_json)
    if not as_json and not secrets:
        typer.echo("Secrets are not in it: keep the data folder's own copy of them, or use --secrets.", err=True)


@app.command()
@command
def verify(file: FileArgument, as_json: JsonFlag = False) -> None:
    """Read a backup and compare everything in it with its manifest.

    Example: ossature backup verify /backups/2026-11-22.tar
    """
    from cluster.runtime.backup.archive import verified

    with _translated():
        manifest = verified(file)
    _show(manifest, file, as_json=as_json)


@app.command()
@command
def restore(
    file: FileArgument,
    config: ConfigOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the data that is there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a backup in place, for a cluster that doesn't run. It is refused where there is data, unless forced.

    Example: ossature backup restore /backups/2026-11-22.tar --config cluster.yaml
    """
    import asyncio

    from cluster.config.loading import load
    from cluster.runtime.backup.restore import restore as put_back

    loaded = load(config)
    with _translated():
        manifest = asyncio.run(put_back(loaded, file, force=force))
    _show(manifest, file, as_json=as_json)
    if not as_json:
        typer.echo("Next: ossature doctor, then ossature serve")


@contextmanager
def _translated() -> Iterator[None]:
    from cluster.runtime.backup.manifest import BackupError
    from cluster.runtime.preparation import StartError

    try:
        yield
    except BackupError as error:
        raise CommandError(error.message, next_step=error.next_step) from error
    except StartError as error:
        raise CommandError(str(error)) from error


def _show(manifest: Manifest, file: Path, *, as_json: bool) -> None:
    told = manifest.to_json()
    if as_json:
        emit_json({"file": str(file), **told})
        return
    parts = [f"{told['database']} (schema {told['schema_revision']})"]
    parts += [f"{told[name]} {name}" for name in ("objects", "secrets") if told[name] is not None]
    typer.echo(
        f"{file}: cluster {manifest.cluster}, version {manifest.version}, {when(manifest.created_at)}; "
        f"{', '.join(parts)}; {manifest.size_bytes} bytes, all as its manifest says"
    )
