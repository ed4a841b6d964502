"""``/v1/fine_tuning/jobs``."""

from __future__ import annotations

from cluster.edges.http.exchange import Exchange
from cluster.edges.http.json_fields import read_fields
from cluster.edges.http.query import Query
from cluster.edges.http.routes import Access, Route
from cluster.tuning.request import CreateFineTuningJob
from cluster.tuning.service import FineTuning

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
DEFAULT_CHECKPOINTS = 10


class FineTuningEndpoints:
    def __init__(self, tuning: FineTuning) -> None:
        self._tuning = tuning

    def routes(self) -> list[Route]:
        root, access = "/v1/fine_tuning/jobs", Access.ORGANIZATION
        one = f"{root}/{{job_id}}"
        return [
            Route("POST", root, access, self.create, "Create a fine-tuning job", CreateFineTuningJob.__name__),
            Route("GET", root, access, self.list, "List fine-tuning jobs"),
            Route("GET", one, access, self.get, "Describe a fine-tuning job"),
            Route("POST", f"{one}/cancel", access, self.cancel, "Cancel a fine-tuning job"),
            Route("POST", f"{one}/pause", access, self.pause, "Pause a fine-tuning job"),
            Route("POST", f"{one}/resume", access, self.resume, "Resume a fine-tuning job"),
            Route("GET", f"{one}/events", access, self.events, "List the events of a fine-tuning job"),
            Route("GET", f"{one}/checkpoints", access, self.checkpoints, "List the checkpoints of a fine-tuning job"),
        ]

    async def create(self, exchange: Exchange) -> None:
        request = await read_fields(exchange, CreateFineTuningJob)
        await exchange.respond_object(await self._tuning.create(exchange.caller, request))

    async def list(self, exchange: Exchange) -> None:
        query = Query(exchange)
        after, limit = _page(query, DEFAULT_LIMIT)
        # OpenAI's way to ask for jobs that have none.
        none = query.choice("metadata", ("null",)) is not None
        pairs = query.pairs("metadata", 16, 64, 512)
        query.end()
        metadata = {} if none else pairs or None
        await exchange.respond_object(await self._tuning.list(exchange.caller, limit=limit, after=after, metadata=metadata))

    async def get(self, exchange: Exchange, job_id: str) -> None:
        Query(exchange).end()
        await exchange.respond_object(await self._tuning.get(exchange.caller, job_id))

    async def cancel(self, exchange: Exchange, job_id: str) -> None:
        await exchange.respond_object(await self._tuning.cancel(exchange.caller, job_id))

    async def pause(self, exchange: Exchange, job_id: str) -> None:
        await exchange.respond_object(await self._tuning.pause(exchange.caller, job_id))

    async def resume(self, exchange: Exchange, job_id: str) -> None:
        await exchange.respond_object(await self._tuning.resume(exchange.caller, job_id))

    async def events(self, exchange: Exchange, job_id: str) -> None:
        query = Query(exchange)
        after, limit = _page(query, DEFAULT_LIMIT)
        query.end()
        await exchange.respond_object(await self._tuning.events(exchange.caller, job_id, limit=limit, after=after))

    async def checkpoints(self, exchange: Exchange, job_id: str) -> None:
        query = Query(exchange)
        after, limit = _page(query, DEFAULT_CHECKPOINTS)
        query.end()
        page = await self._tuning.checkpoints(exchange.caller, job_id, limit=limit, after=after)
        await exchange.respond_object(page.to_json())


def _page(query: Query, default: int) -> tuple[str | None, int]:
    after, limit = query.text("after"), query.number("limit", 1, MAX_LIMIT)
    return after, default if limit is None else limit
