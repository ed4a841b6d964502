"""The first step of a job: its files are read, checked and brought into rows; whoever wrote them is told of all that is wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from cluster.config.settings.tuning import TuningSettings
from cluster.errors import NotFound
from cluster.files.service import Files
from cluster.images.fetch import ImageFetcher
from cluster.jobs.context import JobContext
from cluster.jobs.errors import JobFailed
from cluster.tuning.rows.parse import Method
from cluster.tuning.rows.prepare import FileCounts, Preparation
from cluster.tuning.rows.problem import FileProblems
from cluster.tuning.trainer import BaseModel

_NAMES: Final = {"training_file": "training file", "validation_file": "validation file"}
_PROBLEMS_IN_ERROR: Final = 20
_PROBLEMS_IN_EVENT: Final = 50
"""An event holds 64 KiB, and a problem may take a kilobyte."""


class FileValidation:
    """Reads the files of one job. Raises :class:`JobFailed` with ``param`` ``training_file`` or ``validation_file``."""

    def __init__(self, context: JobContext, files: Files, settings: TuningSettings, method: Method, base: BaseModel) -> None:
        self._context = context
        self._files = files
        self._settings = settings
        self._method = method
        self._base = base

    async def prepare(self, file_id: str, param: str, target: Path) -> dict[str, int]:
        """Write the file's rows to ``target``; its counts."""
        await self._context.event(f"Reading the {_NAMES[param]} {file_id}.", key=f"{param}:read")
        fetcher = ImageFetcher(self._settings.images)
        try:
            preparation = Preparation(self._method, self._base.takes_images, self._base.serial_calls, self._settings, fetcher)
            async with aclosing(self._pieces(file_id, param)) as pieces:
                prepared = await preparation.prepare(pieces, target)
        finally:
            await fetcher.close()
        if prepared.problems:
            await self._tell(prepared.problems, param)
            raise JobFailed(f"invalid_{param}", _summary(prepared.problems, _NAMES[param]), param)
        if prepared.too_large:
            raise JobFailed(
                f"invalid_{param}",
                f"The {_NAMES[param]} comes to more than {self._settings.max_rows_bytes} bytes of rows, images included.",
                param,
            )
        self._check_counts(prepared.counts, param)
        await self._describe(prepared.counts, param)
        return prepared.counts.to_json()

    async def _pieces(self, file_id: str, param: str) -> AsyncGenerator[bytes, None]:
        principal = self._context.principal
        try:
            file = await self._files.get(principal, file_id)
            async with aclosing(self._files.read(principal, file, 0, file.size_bytes)) as pieces:
                async for piece in pieces:
                    await self._context.check()
                    yield piece
        except NotFound:
            raise JobFailed("file_not_found", f"The {_NAMES[param]} {file_id} was deleted.", param) from None

    async def _tell(self, problems: FileProblems, param: str) -> None:
        for start in range(0, len(problems.shown), _PROBLEMS_IN_EVENT):
            shown = problems.shown[start : start + _PROBLEMS_IN_EVENT]
            await self._context.event(
                f"The {_NAMES[param]} has {problems.bad_rows} bad lines; {len(shown)} problems are in this event's data.",
                level="error",
                data={"file": param, "bad_rows": problems.bad_rows, "problems": [each.to_json() for each in shown]},
                key=f"{param}:problems:{start}",
            )

    def _check_counts(self, counts: FileCounts, param: str) -> None:
        name = _NAMES[param].capitalize()
        least = self._settings.min_examples if param == "training_file" else 1
        most = self._settings.max_examples
        if counts.examples < least:
            raise JobFailed(
                "invalid_n_examples", f"{name} has {counts.examples} example(s), but must have at least {least} examples", param
            )
        if counts.examples > most:
            # It was not read any further.
            raise JobFailed("invalid_n_examples", f"{name} has more than {most} examples", param)
        if counts.image_examples > (most := self._settings.max_image_examples):
            raise JobFailed(
                "invalid_n_examples",
                f"{name} has {counts.image_examples} examples with images, but must have at most {most} of them",
                param,
            )

    async def _describe(self, counts: FileCounts, param: str) -> None:
        data: dict[str, Any] = {"file": param, **counts.to_json()}
        images = f", {counts.images} images" if counts.images else ""
        await self._context.event(
            f"The {_NAMES[param]} is in order: {counts.examples} examples, {counts.rows} answers to learn from{images}.",
            data=data,
            key=f"{param}:valid",
        )
        if counts.dropped_calls:
            await self._context.event(
                f"{counts.dropped_calls} calls of tools are left out: the model makes one call at a time, and these would "
                "come after results that the examples don't have.",
                level="warn",
                data=data,
                key=f"{param}:dropped_calls",
            )


def _summary(problems: FileProblems, name: str) -> str:
    """As much as an error message bears; the events have more of it."""
    shown = problems.shown[:_PROBLEMS_IN_ERROR]
    lines = "line is" if problems.bad_rows == 1 else "lines are"
    more = len(problems.shown) - len(shown) + problems.unshown
    end = f" And {more} more problems; the job's events name the first {len(problems.shown)}." if more else ""
    return f"The {name} can't be used: {problems.bad_rows} of its {lines} not valid. {' '.join(map(str, shown))}{end}"
