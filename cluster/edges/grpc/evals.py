"""The part of ``ossature.v1.EvalService`` that is about evals; their runs are in ``eval_runs.py``."""

# ruff: noqa: N802  (gRPC names its methods)

from __future__ import annotations

from typing import Final

from cluster.edges.grpc.generated.ossature.v1 import eval_definition_pb2
from cluster.edges.grpc.generated.ossature.v1 import evals_pb2 as pb
from cluster.edges.grpc.methods import Methods, off_loop, unary
from cluster.edges.grpc.reading import PAGE_BYTES, EvalsPage, bounded, checked, document_of, read
from cluster.edges.grpc.translate.evals import eval_of, size_bytes
from cluster.evals.eval_service import Eval, NewEval
from cluster.evals.requests import CreateEval, UpdateEval
from cluster.identity.principal import Principal

_EVAL_BYTES: Final = 1 << 20
"""An eval's criteria hold prompts and programs, but no data."""
_ID: Final = "eval_id"


class EvalMethods(Methods):
    @unary(pb.CreateEvalRequest, pb.CreateEvalResponse, _EVAL_BYTES)
    async def CreateEval(self, principal: Principal, request: pb.CreateEvalRequest) -> pb.CreateEvalResponse:
        def read_eval() -> NewEval:
            body = checked(bounded(document_of(request), self._grpc_edge.limits), CreateEval)
            return NewEval(body.name, body.metadata or {}, body.data_source_config, body.testing_criteria)

        new = await off_loop(request.ByteSize(), read_eval)
        created = await self._kept.evals.create(principal, new)
        return pb.CreateEvalResponse(eval=await off_loop(created.row.size_bytes, _shown, created))

    @unary(pb.GetEvalRequest, pb.GetEvalResponse)
    async def GetEval(self, principal: Principal, request: pb.GetEvalRequest) -> pb.GetEvalResponse:
        found = await self._kept.evals.get(principal, request.eval_id)
        return pb.GetEvalResponse(eval=await off_loop(found.row.size_bytes, _shown, found))

    @unary(pb.ListEvalsRequest, pb.ListEvalsResponse)
    async def ListEvals(self, principal: Principal, request: pb.ListEvalsRequest) -> pb.ListEvalsResponse:
        asked = read(request, EvalsPage)
        page = await self._kept.evals.page(
            principal,
            after=asked.after,
            limit=asked.limit,
            order=asked.order,
            order_by=asked.order_by,
            max_bytes=PAGE_BYTES,
        )

        def translated() -> pb.ListEvalsResponse:
            return pb.ListEvalsResponse(evals=[eval_of(each) for each in page.items], has_more=page.has_more)

        return await off_loop(size_bytes(*page.items), translated)

    @unary(pb.UpdateEvalRequest, pb.UpdateEvalResponse)
    async def UpdateEval(self, principal: Principal, request: pb.UpdateEvalRequest) -> pb.UpdateEvalResponse:
        document = document_of(request, _ID)
        if "metadata" in document:
            document["metadata"] = document["metadata"].get("pairs", {})
        body = checked(document, UpdateEval)
        updated = await self._kept.evals.update(principal, request.eval_id, name=body.name, metadata=body.metadata)
        return pb.UpdateEvalResponse(eval=await off_loop(updated.row.size_bytes, _shown, updated))

    @unary(pb.DeleteEvalRequest, pb.DeleteEvalResponse)
    async def DeleteEval(self, principal: Principal, request: pb.DeleteEvalRequest) -> pb.DeleteEvalResponse:
        await self._kept.runs.delete_eval(principal, request.eval_id)
        return pb.DeleteEvalResponse()


def _shown(evaluated: Eval) -> eval_definition_pb2.Eval:
    return eval_of(evaluated.to_json())
