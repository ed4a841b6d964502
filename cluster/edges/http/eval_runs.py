"""``/v1/evals/{eval_id}/runs``, with what came out, reports and comparisons."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.disconnect import until_disconnect
from cluster.edges.http.evals import page_of
from cluster.edges.http.exchange import Exchange
from cluster.edges.http.json_fields import read_fields
from cluster.edges.http.query import Query
from cluster.edges.http.routes import Access, Route
from cluster.evals.requests import CreateEvalRun
from cluster.evals.runs.outcome import ItemStatus
from cluster.evals.runs.run_service import EvalRuns, NewRun
from cluster.evals.runs.run_table import RunRecord
from cluster.evals.runs.shown import STATUSES
from cluster.inference.requests import problems
from cluster.inference.requests.limits import RequestLimits

_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_FORMATS: Final = ("json", "jsonl", "csv")
_MEDIA_TYPES: Final = {"jsonl": b"application/jsonl", "csv": b"text/csv; charset=utf-8"}


class EvalRunEndpoints:
    def __init__(self, runs: EvalRuns, settings: HttpSettings) -> None:
        self._runs = runs
        self._settings = settings
        self._limits = RequestLimits(max_json_depth=settings.max_json_depth)

    def routes(self) -> list[Route]:
        root, access = "/v1/evals/{eval_id}/runs", Access.ORGANIZATION
        one = f"{root}/{{run_id}}"
        items = f"{one}/output_items"
        return [
            Route("POST", root, access, self.create, "Run an eval", CreateEvalRun.__name__, status=201),
            Route("GET", root, access, self.list, "List an eval's runs"),
            Route("GET", one, access, self.get, "Describe a run of an eval"),
            # The description has the one, its clients send the other.
            Route("POST", one, access, self.cancel, "Cancel a run of an eval"),
            Route("POST", f"{one}/cancel", access, self.cancel, "Cancel a run of an eval"),
            Route("DELETE", one, access, self.delete, "Delete a run of an eval with its output"),
            Route("GET", items, access, self.items, "List what came out of a run's items"),
            Route("GET", f"{items}/{{output_item_id}}", access, self.item, "Describe what came out of one item"),
            Route("GET", f"{one}/report", access, self.report, "A run's report: summary, JSON lines or CSV"),
            Route("GET", f"{one}/comparison", access, self.comparison, "Compare a run with another one of its eval"),
        ]

    async def create(self, exchange: Exchange, eval_id: str) -> None:
        settings = self._settings
        body = await read_fields(
            exchange, CreateEvalRun, limit_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s, limits=self._limits
        )
        run = await self._runs.create(exchange.caller, eval_id, NewRun(body.name, body.metadata or {}, body.data_source))
        await self._respond(exchange, run, status=201)

    async def list(self, exchange: Exchange, eval_id: str) -> None:
        query = Query(exchange)
        after, limit, order = page_of(query)
        status = query.choice("status", tuple(STATUSES))
        query.end()
        page = await self._runs.page(
            exchange.caller,
            eval_id,
            status=status,
            after=after,
            limit=limit,
            order=order,
            report_url=lambda run_id: self._report_url(exchange, eval_id, run_id),
        )
        await exchange.respond_object(page.to_json())

    async def get(self, exchange: Exchange, eval_id: str, run_id: str) -> None:
        Query(exchange).end()
        await self._respond(exchange, await self._runs.get(exchange.caller, eval_id, run_id))

    async def cancel(self, exchange: Exchange, eval_id: str, run_id: str) -> None:
        await self._respond(exchange, await self._runs.cancel(exchange.caller, eval_id, run_id))

    async def delete(self, exchange: Exchange, eval_id: str, run_id: str) -> None:
        await self._runs.delete(exchange.caller, eval_id, run_id)
        await exchange.respond_object({"object": "eval.run.deleted", "deleted": True, "run_id": run_id})

    async def items(self, exchange: Exchange, eval_id: str, run_id: str) -> None:
        query = Query(exchange)
        after, limit, order = page_of(query)
        # The contract has 'pass' and 'fail'; items in error are neither, and can be asked for here.
        status = query.choice("status", tuple(ItemStatus))
        query.end()
        page = await self._runs.items(
            exchange.caller,
            eval_id,
            run_id,
            status=None if status is None else ItemStatus(status),
            after=after,
            limit=limit,
            order=order,
        )
        await exchange.respond_object(page.to_json())

    async def item(self, exchange: Exchange, eval_id: str, run_id: str, output_item_id: str) -> None:
        Query(exchange).end()
        await exchange.respond_object(await self._runs.item(exchange.caller, eval_id, run_id, output_item_id))

    async def report(self, exchange: Exchange, eval_id: str, run_id: str) -> None:
        query = Query(exchange)
        form = query.choice("format", _FORMATS) or "json"
        query.end()
        report = await self._runs.report(exchange.caller, eval_id, run_id)
        if form == "json":
            await exchange.respond_object(await until_disconnect(exchange, report.summary()))
            return
        async with aclosing(report.csv_lines() if form == "csv" else report.json_lines()) as lines:
            await _download(exchange, lines, _MEDIA_TYPES[form], f"{run_id}.{form}")

    async def comparison(self, exchange: Exchange, eval_id: str, run_id: str) -> None:
        query = Query(exchange)
        baseline = query.text("baseline")
        query.end()
        if baseline is None:
            raise problems.missing("baseline")
        compared = await until_disconnect(exchange, self._runs.compare(exchange.caller, eval_id, run_id, baseline))
        await exchange.respond_object(compared.to_json())

    async def _respond(self, exchange: Exchange, run: RunRecord, *, status: int = 200) -> None:
        url = self._report_url(exchange, run.row.eval_id, run.row.id)
        await exchange.respond_object(await self._runs.shown(exchange.caller, run, url), status=status)

    def _report_url(self, exchange: Exchange, eval_id: str, run_id: str) -> str:
        """At the address that the client itself uses, as far as that can be known."""
        host = exchange.header("host") or ""
        if not _HOST.fullmatch(host):
            host = f"{self._settings.host}:{self._settings.port}"
        scheme = "https" if "https" in (exchange.scheme, exchange.header("x-forwarded-proto")) else "http"
        return f"{scheme}://{host}/v1/evals/{eval_id}/runs/{run_id}/report"


async def _download(exchange: Exchange, lines: AsyncGenerator[bytes, None], media_type: bytes, filename: str) -> None:
    first = await anext(lines, b"")  # before the status, so that a failure has one of its own
    await exchange.start(
        200,
        [
            (b"content-type", media_type),
            (b"content-disposition", f'attachment; filename="{filename}"'.encode()),
            (b"x-content-type-options", b"nosniff"),
        ],
    )
    if first:
        await exchange.send_body(first, last=False)
    async for piece in lines:
        await exchange.send_body(piece, last=False)
    await exchange.send_body(b"", last=True)
