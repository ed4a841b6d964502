"""Runs as their organization's project sees them: start, list, get, cancel, delete, and what came out of them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from cluster.config.settings.evals import EvalsSettings
from cluster.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from cluster.evals import template
from cluster.evals.data_source import CustomSource, namespaces_schema
from cluster.evals.eval_service import Eval, Evals, check_model
from cluster.evals.paging import PAGE_BYTES, Page
from cluster.evals.runs.comparing import RunComparison, compared
from cluster.evals.runs.data_source import (
    PARAM,
    FileContent,
    FileId,
    ItemReference,
    JsonlRun,
    RunSource,
    StoredCompletionsFilter,
    TemplateMessages,
    canonical,
    parse_run_source,
)
from cluster.evals.runs.item_schema import ItemSchema
from cluster.evals.runs.outcome import ItemStatus
from cluster.evals.runs.report import Report
from cluster.evals.runs.run_table import Order, RunRecord, RunTable
from cluster.evals.runs.shown import STATUSES, item_json, run_json
from cluster.evals.template_check import check_templates, impossible
from cluster.files.model import Purpose
from cluster.files.service import Files
from cluster.identity.principal import Principal
from cluster.inference.requests import problems
from cluster.inference.service import Inference
from cluster.jobs.model import JobEvent, Told
from cluster.jobs.service import Jobs
from cluster.store.database import Database
from cluster.store.eval_tables import EvalRunRow

KIND = "eval_run"
_SCHEMA_BUDGET_S = 10.0
"""For holding the rows of one request against their schema, in seconds of processor time."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """``source``: ``data_source`` as it was sent."""

    name: str | None
    metadata: Mapping[str, str]
    source: Mapping[str, Any]


class EvalRuns:
    """Methods raise :class:`NotFound` for what does not exist or is not the caller's own, alike."""

    def __init__(
        self,
        database: Database,
        evals: Evals,
        jobs: Jobs,
        files: Files,
        inference: Inference,
        settings: EvalsSettings,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._evals = evals
        self._jobs = jobs
        self._files = files
        self._inference = inference
        self._settings = settings
        self._now = now
        self._table = RunTable(database, now)

    async def create(self, principal: Principal, eval_id: str, new: NewRun) -> RunRecord:
        """Queue a run. Raises :class:`InvalidRequest`, which names the field, and :class:`PermissionDenied` for too many runs."""
        evaluated = await self._evals.get(principal, eval_id)
        source = await asyncio.to_thread(parse_run_source, new.source)
        await self._check(principal, evaluated, source)
        run_id = f"evalrun_{secrets.token_hex(16)}"
        data_source = await asyncio.to_thread(lambda: msgspec.json.encode(canonical(new.source)))
        row = EvalRunRow(
            id=run_id,
            eval_id=evaluated.id,
            org_id=principal.org_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            name=new.name or run_id,
            metadata_json=msgspec.json.encode(new.metadata),
            model="" if isinstance(source, JsonlRun) else source.model or "",
            data_source=data_source,
            size_bytes=len(data_source),
            created_us=int(self._now() * 1_000_000),
        )
        item_count = len(source.source.content) if isinstance(source.source, FileContent) else None
        async with self._database.transaction() as session:
            if await self._table.count(session, principal) >= self._settings.max_runs_per_organization:
                raise PermissionDenied(
                    f"Your organization has {self._settings.max_runs_per_organization} runs of evals, which is the most it may "
                    "have. Delete some first.",
                    code="too_many_eval_runs",
                )
            record = await self._table.add_run(session, row, item_count)
            await self._jobs.create_in(session, principal, KIND, {"run_id": run_id}, job_id=run_id)
        return record

    async def get(self, principal: Principal, eval_id: str, run_id: str) -> RunRecord:
        return await self._table.get(principal, run_id, eval_id)

    async def shown(self, principal: Principal, record: RunRecord, report_url: str) -> dict[str, Any]:
        """OpenAI's ``EvalRun``."""
        evaluated = await self._evals.get(principal, record.row.eval_id)
        return run_json(record, _names(evaluated), report_url)

    async def page(
        self,
        principal: Principal,
        eval_id: str,
        *,
        status: str | None,
        after: str | None,
        limit: int,
        order: Order,
        report_url: Callable[[str], str],
        max_bytes: int = PAGE_BYTES,
    ) -> Page:
        """``status``: one of the contract's. ``report_url``: from a run's id. Raises :class:`InvalidRequest` (``after``)."""
        evaluated = await self._evals.get(principal, eval_id)
        states = STATUSES[status] if status is not None else ()
        records, more = await self._table.page(
            principal, eval_id, states=states, after=after, limit=limit, order=order, max_bytes=max_bytes
        )
        names = _names(evaluated)
        return Page([run_json(record, names, report_url(record.row.id)) for record in records], more)

    async def cancel(self, principal: Principal, eval_id: str, run_id: str) -> RunRecord:
        """Raises :class:`Conflict` for a run that is over."""
        await self._table.get(principal, run_id, eval_id)
        try:
            await self._jobs.cancel(principal, run_id)
        except Conflict:
            raise Conflict(
                f"The run {run_id!r} is over: there is nothing to cancel.", param="run_id", code="run_finished"
            ) from None
        return await self._table.get(principal, run_id, eval_id)

    async def delete(self, principal: Principal, eval_id: str, run_id: str) -> None:
        """The run with its output. One that goes on is cancelled."""
        await self._end(principal, await self._table.get(principal, run_id, eval_id))
        await self._table.delete(principal, eval_id, run_id)

    async def delete_eval(self, principal: Principal, eval_id: str) -> None:
        """The eval with its runs. Those that go on are cancelled."""
        await self._evals.get(principal, eval_id)
        for run_id in await self._table.unfinished(principal, eval_id):
            await self._end(principal, await self._table.get(principal, run_id))
        await self._evals.delete(principal, eval_id)

    async def items(
        self,
        principal: Principal,
        eval_id: str,
        run_id: str,
        *,
        status: ItemStatus | None,
        after: str | None,
        limit: int,
        order: Order,
        max_bytes: int = PAGE_BYTES,
    ) -> Page:
        """Raises :class:`InvalidRequest` for an ``after`` that is not in the list."""
        await self._table.get(principal, run_id, eval_id)
        rows, more = await self._table.items(run_id, status=status, after=after, limit=limit, order=order, max_bytes=max_bytes)
        return Page([item_json(row, eval_id) for row in rows], more)

    async def item(self, principal: Principal, eval_id: str, run_id: str, item_id: str) -> dict[str, Any]:
        await self._table.get(principal, run_id, eval_id)
        return item_json(await self._table.item(run_id, item_id), eval_id)

    async def report(self, principal: Principal, eval_id: str, run_id: str) -> Report:
        """What there is so far of a run that goes on."""
        evaluated = await self._evals.get(principal, eval_id)
        record = await self._table.get(principal, run_id, eval_id)
        return Report(evaluated, record, self._table)

    async def compare(self, principal: Principal, eval_id: str, run_id: str, baseline_id: str) -> RunComparison:
        """Raises :class:`InvalidRequest` for a baseline that is no run of this eval, or has no item in common with the run."""
        evaluated = await self._evals.get(principal, eval_id)
        run = await self._table.get(principal, run_id, eval_id)
        try:
            baseline = await self._table.get(principal, baseline_id, eval_id)
        except NotFound:
            raise InvalidRequest(
                f"There is no run {baseline_id[:100]!r} of this eval.", param="baseline", code="eval_run_not_found"
            ) from None
        before, after = await self._table.grades(baseline.row.id), await self._table.grades(run.row.id)
        return await asyncio.to_thread(compared, baseline, run, _names(evaluated), before, after)

    async def watch(
        self, principal: Principal, eval_id: str, run_id: str, after_sequence: int = 0
    ) -> AsyncGenerator[Told[RunRecord], None]:
        """Each event after ``after_sequence`` once and in order, and the run whenever it has changed; ends with the finished run.

        Raises :class:`NotFound`, also when the run is deleted meanwhile.
        """
        await self._table.get(principal, run_id, eval_id)
        async with aclosing(self._jobs.watch(principal, run_id, after_sequence)) as told:
            async for each in told:
                if isinstance(each, JobEvent):
                    after_sequence = each.sequence
                    yield Told(after_sequence, event=each)
                else:
                    yield Told(after_sequence, state=await self._table.get(principal, run_id, eval_id))

    # --- parts of the above -----------------------------------------------------------------------------------------------

    async def _end(self, principal: Principal, record: RunRecord) -> None:
        if not record.state.finished:
            try:
                await self._jobs.cancel(principal, record.row.id)
            except Conflict:
                return  # it has just ended by itself

    async def _check(self, principal: Principal, evaluated: Eval, source: RunSource) -> None:
        schema = namespaces_schema(evaluated.source)
        if not isinstance(source, JsonlRun):
            if source.model is not None:
                await check_model(self._inference, principal, source.model, f"{PARAM}.model")
            _check_prompt(source.input_messages, schema)
        match source.source:
            case FileContent() as given:
                await asyncio.to_thread(self._check_inline, given, schema["properties"]["item"])
            case FileId() as given:
                await self._check_file(principal, given.id)
            case StoredCompletionsFilter() as given:
                _check_metadata(evaluated, given.metadata or {})

    def _check_inline(self, given: FileContent, item_schema: Mapping[str, Any]) -> None:
        if len(given.content) > self._settings.max_items_per_run:
            raise problems.array_too_long(f"{PARAM}.source.content", self._settings.max_items_per_run, len(given.content))
        schema = ItemSchema(item_schema, _SCHEMA_BUDGET_S)
        for index, row in enumerate(given.content):
            if (problem := schema.problem(row.item)) is not None:
                where, what = problem
                raise problems.invalid(
                    f"{PARAM}.source.content.{index}.item{where}", f"it does not fit the eval's item schema: {what}."
                )

    async def _check_file(self, principal: Principal, file_id: str) -> None:
        param = f"{PARAM}.source.id"
        try:
            file = await self._files.get(principal, file_id)
        except NotFound as error:
            raise InvalidRequest(error.message, param=param, code="file_not_found") from None
        if file.purpose != Purpose.EVALS:
            raise problems.invalid(param, f"the file's purpose is '{file.purpose}', not 'evals'.")
        if file.size_bytes > self._settings.max_source_bytes:
            raise problems.invalid(
                param, f"the file has {file.size_bytes} bytes; a run takes at most {self._settings.max_source_bytes}."
            )


def logs_metadata(evaluated: Eval) -> dict[str, str]:
    """What an eval over stored completions asks for, whichever run."""
    source = evaluated.source
    return {} if isinstance(source, CustomSource) else {key: str(value) for key, value in (source.metadata or {}).items()}


def _names(evaluated: Eval) -> Sequence[str]:
    return [criterion.name for criterion in evaluated.criteria]


def _check_prompt(wanted: TemplateMessages | ItemReference | None, schema: Mapping[str, Any]) -> None:
    """A prompt is made of the item alone: there is no sample before it was answered."""
    only_item = {**schema, "properties": {"item": schema["properties"]["item"]}}
    match wanted:
        case TemplateMessages():
            for index, message in enumerate(wanted.template):
                check_templates(message.templates(f"{PARAM}.input_messages.template.{index}"), only_item)
        case ItemReference():
            param = f"{PARAM}.input_messages.item_reference"
            try:
                path = template.parse_path(wanted.item_reference)
            except template.TemplateError as error:
                raise problems.invalid(param, f"{error}.") from None
            if (fault := impossible(path, only_item)) is not None:
                raise problems.invalid(param, f"it names '{path}', but {fault}.")


def _check_metadata(evaluated: Eval, wanted: Mapping[str, str]) -> None:
    """A run may narrow down what its eval asks for; a pair that contradicts it would find nothing."""
    for key, value in logs_metadata(evaluated).items():
        if wanted.get(key, value) != value:
            raise problems.invalid(f"{PARAM}.source.metadata.{key}", f"the eval is about completions with {value!r} there.")
