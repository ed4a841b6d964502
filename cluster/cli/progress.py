"""Transfers on the command line: a bar for people, and output that is whole or not there."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.cli.output import CommandError, ExitCode

Advance = Callable[[int], None]
Write = Callable[[bytes], object]


@contextmanager
def progress(name: str, size_bytes: int) -> Iterator[Advance]:
    """A bar on standard error, if that is a terminal; call what it gives with each number of bytes that are done."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(escape(name[:60]), total=size_bytes)
        yield lambda count: bars.advance(task, count)


@contextmanager
def written(output: Path | None) -> Iterator[Write]:
    """Standard output, or a file that gets its name only when all of it is there."""
    if output is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    try:
        descriptor, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise CommandError(f"{output} can't be written: {error.strerror}", exit_code=ExitCode.USAGE) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
        Path(temporary).replace(output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
