"""``/v1/evals``."""

from __future__ import annotations

from typing import Final, cast

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.exchange import Exchange
from cluster.edges.http.json_fields import read_fields
from cluster.edges.http.query import Query
from cluster.edges.http.routes import Access, Route
from cluster.evals.eval_service import Evals, NewEval, Order, OrderBy
from cluster.evals.requests import CreateEval, UpdateEval
from cluster.evals.runs.run_service import EvalRuns
from cluster.inference.requests.limits import RequestLimits

MAX_LIMIT: Final = 100
ORDERS: Final = ("asc", "desc")
_BODY_BYTES: Final = 1 << 20
"""An eval's criteria hold prompts and programs, but no data."""


class EvalEndpoints:
    def __init__(self, evals: Evals, runs: EvalRuns, settings: HttpSettings) -> None:
        self._evals = evals
        self._runs = runs
        self._settings = settings
        self._limits = RequestLimits(max_json_depth=settings.max_json_depth)

    def routes(self) -> list[Route]:
        root, access = "/v1/evals", Access.ORGANIZATION
        one = f"{root}/{{eval_id}}"
        return [
            Route("POST", root, access, self.create, "Create an eval", CreateEval.__name__, status=201),
            Route("GET", root, access, self.list, "List evals"),
            Route("GET", one, access, self.get, "Describe an eval"),
            Route("POST", one, access, self.update, "Change an eval's name and metadata", UpdateEval.__name__),
            Route("DELETE", one, access, self.delete, "Delete an eval with its runs"),
        ]

    async def create(self, exchange: Exchange) -> None:
        body = await read_fields(
            exchange, CreateEval, limit_bytes=_BODY_BYTES, timeout_s=self._settings.body_timeout_s, limits=self._limits
        )
        new = NewEval(body.name, body.metadata or {}, body.data_source_config, body.testing_criteria)
        await exchange.respond_object((await self._evals.create(exchange.caller, new)).to_json(), status=201)

    async def list(self, exchange: Exchange) -> None:
        query = Query(exchange)
        after, limit, order = page_of(query)
        order_by = cast(OrderBy, query.choice("order_by", ("created_at", "updated_at")) or "created_at")
        query.end()
        page = await self._evals.page(exchange.caller, after=after, limit=limit, order=order, order_by=order_by)
        await exchange.respond_object(page.to_json())

    async def get(self, exchange: Exchange, eval_id: str) -> None:
        Query(exchange).end()
        await exchange.respond_object((await self._evals.get(exchange.caller, eval_id)).to_json())

    async def update(self, exchange: Exchange, eval_id: str) -> None:
        body = await read_fields(exchange, UpdateEval)
        metadata = (body.metadata or {}) if "metadata" in body.model_fields_set else None
        updated = await self._evals.update(exchange.caller, eval_id, name=body.name, metadata=metadata)
        await exchange.respond_object(updated.to_json())

    async def delete(self, exchange: Exchange, eval_id: str) -> None:
        await self._runs.delete_eval(exchange.caller, eval_id)
        await exchange.respond_object({"object": "eval.deleted", "deleted": True, "eval_id": eval_id})


def page_of(query: Query) -> tuple[str | None, int, Order]:
    """``after``, ``limit`` and ``order`` of a list."""
    limit = query.number("limit", 1, MAX_LIMIT)
    return query.text("after"), 20 if limit is None else limit, cast(Order, query.choice("order", ORDERS) or "asc")
