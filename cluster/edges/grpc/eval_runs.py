"""The part of ``ossature.v1.EvalService`` that is about runs and what comes out of them."""

# ruff: noqa: N802  (gRPC names its methods)

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from cluster.edges.grpc.generated.ossature.v1 import eval_run_pb2
from cluster.edges.grpc.generated.ossature.v1 import evals_pb2 as pb
from cluster.edges.grpc.methods import Methods, off_loop, streaming, unary
from cluster.edges.grpc.reading import PAGE_BYTES, ItemsPage, RunsPage, bounded, checked, document_of, read
from cluster.edges.grpc.translate.evals import event_of, item_of, run_of, size_bytes, with_chat_sampling
from cluster.edges.grpc.watching import watching
from cluster.evals.requests import CreateEvalRun
from cluster.evals.runs.run_service import NewRun
from cluster.evals.runs.run_table import RunRecord
from cluster.identity.principal import Principal

_EVAL: Final = "eval_id"
_RUN: Final = "run_id"
_NO_URL: Final = ""
"""A report is read over HTTP, at an address that this edge does not know."""


class EvalRunMethods(Methods):
    @unary(pb.CreateEvalRunRequest, pb.CreateEvalRunResponse, max_bytes=None)
    async def CreateEvalRun(self, principal: Principal, request: pb.CreateEvalRunRequest) -> pb.CreateEvalRunResponse:
        def read_run() -> NewRun:
            body = checked(bounded(document_of(request, _EVAL), self._grpc_edge.limits), CreateEvalRun)
            return NewRun(body.name, body.metadata or {}, with_chat_sampling(body.data_source))

        new = await off_loop(request.ByteSize(), read_run)
        return pb.CreateEvalRunResponse(
            run=await self._run(principal, await self._kept.runs.create(principal, request.eval_id, new))
        )

    @unary(pb.GetEvalRunRequest, pb.GetEvalRunResponse)
    async def GetEvalRun(self, principal: Principal, request: pb.GetEvalRunRequest) -> pb.GetEvalRunResponse:
        record = await self._kept.runs.get(principal, request.eval_id, request.run_id)
        return pb.GetEvalRunResponse(run=await self._run(principal, record))

    @unary(pb.ListEvalRunsRequest, pb.ListEvalRunsResponse)
    async def ListEvalRuns(self, principal: Principal, request: pb.ListEvalRunsRequest) -> pb.ListEvalRunsResponse:
        asked = read(request, RunsPage, _EVAL)
        page = await self._kept.runs.page(
            principal,
            request.eval_id,
            status=asked.status,
            after=asked.after,
            limit=asked.limit,
            order=asked.order,
            report_url=lambda run_id: _NO_URL,
            max_bytes=PAGE_BYTES,
        )

        def translated() -> pb.ListEvalRunsResponse:
            return pb.ListEvalRunsResponse(runs=[run_of(each) for each in page.items], has_more=page.has_more)

        return await off_loop(size_bytes(*page.items), translated)

    @unary(pb.CancelEvalRunRequest, pb.CancelEvalRunResponse)
    async def CancelEvalRun(self, principal: Principal, request: pb.CancelEvalRunRequest) -> pb.CancelEvalRunResponse:
        record = await self._kept.runs.cancel(principal, request.eval_id, request.run_id)
        return pb.CancelEvalRunResponse(run=await self._run(principal, record))

    @unary(pb.DeleteEvalRunRequest, pb.DeleteEvalRunResponse)
    async def DeleteEvalRun(self, principal: Principal, request: pb.DeleteEvalRunRequest) -> pb.DeleteEvalRunResponse:
        await self._kept.runs.delete(principal, request.eval_id, request.run_id)
        return pb.DeleteEvalRunResponse()

    @unary(pb.ListEvalRunOutputItemsRequest, pb.ListEvalRunOutputItemsResponse)
    async def ListEvalRunOutputItems(
        self, principal: Principal, request: pb.ListEvalRunOutputItemsRequest
    ) -> pb.ListEvalRunOutputItemsResponse:
        asked = read(request, ItemsPage, _EVAL, _RUN)
        page = await self._kept.runs.items(
            principal,
            request.eval_id,
            request.run_id,
            status=asked.item_status,
            after=asked.after,
            limit=asked.limit,
            order=asked.order,
            max_bytes=PAGE_BYTES,
        )

        def translated() -> pb.ListEvalRunOutputItemsResponse:
            return pb.ListEvalRunOutputItemsResponse(output_items=[item_of(each) for each in page.items], has_more=page.has_more)

        return await off_loop(size_bytes(*page.items), translated)

    @unary(pb.GetEvalRunOutputItemRequest, pb.GetEvalRunOutputItemResponse)
    async def GetEvalRunOutputItem(
        self, principal: Principal, request: pb.GetEvalRunOutputItemRequest
    ) -> pb.GetEvalRunOutputItemResponse:
        shown = await self._kept.runs.item(principal, request.eval_id, request.run_id, request.output_item_id)
        return pb.GetEvalRunOutputItemResponse(output_item=await off_loop(size_bytes(shown), item_of, shown))

    @streaming(pb.WatchEvalRunRequest, pb.WatchEvalRunResponse)
    async def WatchEvalRun(
        self, principal: Principal, request: pb.WatchEvalRunRequest
    ) -> AsyncGenerator[pb.WatchEvalRunResponse, None]:
        runs, edge = self._kept.runs, self._grpc_edge
        told = runs.watch(principal, request.eval_id, request.run_id, request.after_sequence)
        async with aclosing(watching(told, edge.watches, principal.org_id, edge.watch_s)) as watched:
            async for each in watched:
                if each.event is not None:
                    yield pb.WatchEvalRunResponse(sequence=each.sequence, event=event_of(each.event))
                elif each.state is not None:
                    run = run_of(await runs.shown(principal, each.state, _NO_URL), with_source=False)
                    yield pb.WatchEvalRunResponse(sequence=each.sequence, run=run)

    async def _run(self, principal: Principal, record: RunRecord) -> eval_run_pb2.EvalRun:
        shown = await self._kept.runs.shown(principal, record, _NO_URL)
        return await off_loop(record.row.size_bytes, run_of, shown)
