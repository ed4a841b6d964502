"""``ossature.v1.StoredCompletionService``."""

# ruff: noqa: N802  (gRPC names its methods)

from __future__ import annotations

from cluster.completions.service import Filter, Page, PageQuery
from cluster.edges.bodies import UpdateStoredCompletion
from cluster.edges.grpc.generated.ossature.v1 import stored_completions_pb2 as pb
from cluster.edges.grpc.methods import Methods, off_loop, unary
from cluster.edges.grpc.reading import PAGE_BYTES, CompletionsPage, OrderedPage, checked, document_of, read
from cluster.edges.grpc.translate.stored_completions import stored_completion, stored_message
from cluster.identity.principal import Principal

_ID = "completion_id"


class StoredCompletionMethods(Methods):
    @unary(pb.ListStoredCompletionsRequest, pb.ListStoredCompletionsResponse)
    async def ListStoredCompletions(
        self, principal: Principal, request: pb.ListStoredCompletionsRequest
    ) -> pb.ListStoredCompletionsResponse:
        asked = read(request, CompletionsPage)
        wanted, query = Filter(asked.model, asked.metadata or {}), _query(asked)
        return await _listed(await self._kept.completions.page(principal, wanted, query))

    @unary(pb.GetStoredCompletionRequest, pb.GetStoredCompletionResponse)
    async def GetStoredCompletion(
        self, principal: Principal, request: pb.GetStoredCompletionRequest
    ) -> pb.GetStoredCompletionResponse:
        kept = await self._kept.completions.get(principal, request.completion_id)
        return pb.GetStoredCompletionResponse(completion=await off_loop(len(kept), stored_completion, kept))

    @unary(pb.UpdateStoredCompletionRequest, pb.UpdateStoredCompletionResponse)
    async def UpdateStoredCompletion(
        self, principal: Principal, request: pb.UpdateStoredCompletionRequest
    ) -> pb.UpdateStoredCompletionResponse:
        asked = checked({"metadata": None, **document_of(request, _ID)}, UpdateStoredCompletion)
        kept = await self._kept.completions.update(principal, request.completion_id, asked.metadata or {})
        return pb.UpdateStoredCompletionResponse(completion=await off_loop(len(kept), stored_completion, kept))

    @unary(pb.DeleteStoredCompletionRequest, pb.DeleteStoredCompletionResponse)
    async def DeleteStoredCompletion(
        self, principal: Principal, request: pb.DeleteStoredCompletionRequest
    ) -> pb.DeleteStoredCompletionResponse:
        await self._kept.completions.delete(principal, request.completion_id)
        return pb.DeleteStoredCompletionResponse()

    @unary(pb.ListStoredCompletionMessagesRequest, pb.ListStoredCompletionMessagesResponse)
    async def ListStoredCompletionMessages(
        self, principal: Principal, request: pb.ListStoredCompletionMessagesRequest
    ) -> pb.ListStoredCompletionMessagesResponse:
        query = _query(read(request, OrderedPage, _ID))
        page = await self._kept.completions.messages(principal, request.completion_id, query)

        def translated() -> pb.ListStoredCompletionMessagesResponse:
            messages = [stored_message(body) for _, body in page.items]
            return pb.ListStoredCompletionMessagesResponse(messages=messages, has_more=page.has_more)

        return await off_loop(_size_bytes(page), translated)


def _query(asked: OrderedPage) -> PageQuery:
    return PageQuery(after=asked.after, limit=asked.limit, order=asked.order, max_bytes=PAGE_BYTES)


async def _listed(page: Page) -> pb.ListStoredCompletionsResponse:
    def translated() -> pb.ListStoredCompletionsResponse:
        completions = [stored_completion(body) for _, body in page.items]
        return pb.ListStoredCompletionsResponse(completions=completions, has_more=page.has_more)

    return await off_loop(_size_bytes(page), translated)


def _size_bytes(page: Page) -> int:
    return sum(len(body) for _, body in page.items)
