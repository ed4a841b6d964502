"""``ossature files``: upload, list, look at, fetch and delete files."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, emit_table, printable, when
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="Files: upload, list, get, delete.")

FILES_PATH = "/v1/files"
_PIECE_BYTES = 256 << 10

FileArgument = Annotated[str, typer.Argument(help="Id of the file, as `ossature files list` shows it.")]


class Purpose(StrEnum):
    FINE_TUNE = "fine-tune"
    EVALS = "evals"
    VISION = "vision"
    USER_DATA = "user_data"


@app.command()
@command
def upload(
    path: Annotated[Path, typer.Argument(help="The file.")],
    purpose: Annotated[Purpose, typer.Option("--purpose", help="What it is for.")],
    expires_after_s: Annotated[
        int | None, typer.Option("--expires-after", help="Delete it so many seconds from now: 3600 to 2592000.")
    ] = None,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Upload a file; prints its id.

    Example: ossature files upload train.jsonl --purpose fine-tune
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        made = upload_file(client, path, purpose, expires_after_s)
    if as_json:
        emit_json(made)
        return
    typer.echo(made.get("id"))
    typer.echo(f"{made.get('bytes')} bytes, SHA-256 {made.get('sha256')}", err=True)


def upload_file(
    client: Any, path: Path, purpose: Purpose, expires_after_s: int | None = None, filename: str | None = None
) -> dict[str, Any]:
    """The file object. ``filename``: unless it is the path's. Raises :class:`CommandError` for what can't be read, and what the
    client raises."""
    from cluster.cli.progress import progress

    try:
        content = path.open("rb")
        size_bytes = path.stat().st_size
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}", exit_code=ExitCode.USAGE) from error
    fields = {"purpose": str(purpose)}
    if expires_after_s is not None:
        fields |= {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(expires_after_s)}
    with content:
        boundary, head, tail = _form(fields, filename or path.name)

        def body() -> Iterator[bytes]:
            yield head
            with progress(path.name, size_bytes) as advance:
                left = size_bytes  # a file that grows meanwhile keeps the length that was announced
                while left > 0 and (piece := content.read(min(_PIECE_BYTES, left))):
                    left -= len(piece)
                    yield piece
                    advance(len(piece))
            yield tail

        made: dict[str, Any] = client.upload(
            FILES_PATH, body(), len(head) + size_bytes + len(tail), f"multipart/form-data; boundary={boundary}"
        )
        return made


@app.command("list")
@command
def list_(
    purpose: Annotated[Purpose | None, typer.Option("--purpose", help="Only files of this purpose.")] = None,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """List the files of the API key's project, newest first.

    Example: ossature files list --purpose fine-tune
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        files = client.list(FILES_PATH, **({} if purpose is None else {"purpose": str(purpose)}))
    if as_json:
        emit_json({"object": "list", "data": files})
        return
    names = ("id", "filename", "purpose", "bytes")
    rows = [(*(each.get(name) for name in names), when(each.get("created_at")), when(each.get("expires_at"))) for each in files]
    emit_table(("id", "name", "purpose", "bytes", "created", "expires"), rows, empty="There are no files.")


@app.command()
@command
def get(
    file_id: FileArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Fetch its content, too, and write it there.")] = None,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Describe a file, and fetch its content.

    Example: ossature files get file-0123456789abcdef -o train.jsonl
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        file = client.get(_path(file_id))
        if output is not None:
            _fetch(client, file, output)
    if as_json:
        emit_json(file)
        return
    for name in ("id", "filename", "purpose", "bytes", "sha256"):
        typer.echo(f"{name}: {printable(str(file.get(name)))}")
    typer.echo(f"created: {when(file.get('created_at'))}")
    typer.echo(f"expires: {when(file.get('expires_at')) or 'never'}")


@app.command()
@command
def delete(
    file_id: FileArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """Delete a file for good.

    Example: ossature files delete file-0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        deleted = client.delete(_path(file_id))
    if as_json:
        emit_json(deleted)
    else:
        typer.echo(f"File {file_id} is deleted.")


def _fetch(client: Any, file: dict[str, Any], output: Path) -> None:
    """Raises :class:`CommandError` for a content that is not the one whose digest the file has; nothing is written then."""
    import hashlib

    from cluster.cli.progress import progress, written

    digest = hashlib.sha256()
    with (
        client.download(f"{_path(file['id'])}/content") as answer,
        written(output) as write,
        progress(output.name, file["bytes"]) as advance,
    ):
        for piece in answer.iter_bytes():
            digest.update(piece)
            write(piece)
            advance(len(piece))
        if digest.hexdigest() != file["sha256"]:
            raise CommandError("the content did not arrive as it was uploaded: its SHA-256 differs", next_step="Try again.")


def _path(file_id: str) -> str:
    return f"{FILES_PATH}/{quote(file_id, safe='')}"


def _form(fields: dict[str, str], filename: str) -> tuple[str, bytes, bytes]:
    """A boundary, and what stands before and after the content."""
    import secrets

    boundary = f"ossature-{secrets.token_hex(16)}"
    quoted = filename.replace("\\", "_").replace('"', "%22").replace("\r", "_").replace("\n", "_")
    disposition = f"--{boundary}\r\nContent-Disposition: form-data; name="
    parts = [f'{disposition}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    parts.append(f'{disposition}"file"; filename="{quoted}"\r\nContent-Type: application/octet-stream\r\n\r\n')
    return boundary, "".join(parts).encode("utf-8", "replace"), f"\r\n--{boundary}--\r\n".encode()
