"""``ossature.v1.FineTuningService``."""

# ruff: noqa: N802  (gRPC names its methods)

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from cluster.edges.grpc.generated.ossature.v1 import fine_tuning_pb2 as pb
from cluster.edges.grpc.methods import Methods, streaming, unary
from cluster.edges.grpc.reading import PAGE_BYTES, CheckpointsPage, JobsPage, Page, checked, document_of, read
from cluster.edges.grpc.translate.fine_tuning import checkpoint_of, event_of, job_document, job_of
from cluster.edges.grpc.watching import watching
from cluster.evals.paging import within
from cluster.identity.principal import Principal
from cluster.inference.requests import problems
from cluster.tuning.objects import event_object
from cluster.tuning.request import CreateFineTuningJob

_ID: Final = "fine_tuning_job_id"


class FineTuningMethods(Methods):
    @unary(pb.CreateFineTuningJobRequest, pb.CreateFineTuningJobResponse)
    async def CreateFineTuningJob(
        self, principal: Principal, request: pb.CreateFineTuningJobRequest
    ) -> pb.CreateFineTuningJobResponse:
        body = checked(job_document(document_of(request)), CreateFineTuningJob)
        return pb.CreateFineTuningJobResponse(job=job_of(await self._kept.tuning.create(principal, body)))

    @unary(pb.GetFineTuningJobRequest, pb.GetFineTuningJobResponse)
    async def GetFineTuningJob(self, principal: Principal, request: pb.GetFineTuningJobRequest) -> pb.GetFineTuningJobResponse:
        return pb.GetFineTuningJobResponse(job=job_of(await self._kept.tuning.get(principal, request.fine_tuning_job_id)))

    @unary(pb.ListFineTuningJobsRequest, pb.ListFineTuningJobsResponse)
    async def ListFineTuningJobs(
        self, principal: Principal, request: pb.ListFineTuningJobsRequest
    ) -> pb.ListFineTuningJobsResponse:
        asked = read(request, JobsPage)
        if asked.without_metadata and asked.metadata:
            raise problems.combination("without_metadata", "'without_metadata' is not allowed beside 'metadata'.")
        metadata = {} if asked.without_metadata else asked.metadata
        page = await self._kept.tuning.list(principal, limit=asked.limit, after=asked.after, metadata=metadata)
        return pb.ListFineTuningJobsResponse(jobs=[job_of(each) for each in page["data"]], has_more=page["has_more"])

    @unary(pb.CancelFineTuningJobRequest, pb.CancelFineTuningJobResponse)
    async def CancelFineTuningJob(
        self, principal: Principal, request: pb.CancelFineTuningJobRequest
    ) -> pb.CancelFineTuningJobResponse:
        return pb.CancelFineTuningJobResponse(job=job_of(await self._kept.tuning.cancel(principal, request.fine_tuning_job_id)))

    @unary(pb.PauseFineTuningJobRequest, pb.PauseFineTuningJobResponse)
    async def PauseFineTuningJob(
        self, principal: Principal, request: pb.PauseFineTuningJobRequest
    ) -> pb.PauseFineTuningJobResponse:
        return pb.PauseFineTuningJobResponse(job=job_of(await self._kept.tuning.pause(principal, request.fine_tuning_job_id)))

    @unary(pb.ResumeFineTuningJobRequest, pb.ResumeFineTuningJobResponse)
    async def ResumeFineTuningJob(
        self, principal: Principal, request: pb.ResumeFineTuningJobRequest
    ) -> pb.ResumeFineTuningJobResponse:
        return pb.ResumeFineTuningJobResponse(job=job_of(await self._kept.tuning.resume(principal, request.fine_tuning_job_id)))

    @unary(pb.ListFineTuningJobEventsRequest, pb.ListFineTuningJobEventsResponse)
    async def ListFineTuningJobEvents(
        self, principal: Principal, request: pb.ListFineTuningJobEventsRequest
    ) -> pb.ListFineTuningJobEventsResponse:
        asked = read(request, Page, _ID)
        page = await self._kept.tuning.events(principal, request.fine_tuning_job_id, limit=asked.limit, after=asked.after)
        events = [event_of(each) for each in page["data"]]
        shown = events[: len(within(((event.id, event.ByteSize()) for event in events), PAGE_BYTES))]
        return pb.ListFineTuningJobEventsResponse(events=shown, has_more=page["has_more"] or len(shown) < len(events))

    @unary(pb.ListFineTuningJobCheckpointsRequest, pb.ListFineTuningJobCheckpointsResponse)
    async def ListFineTuningJobCheckpoints(
        self, principal: Principal, request: pb.ListFineTuningJobCheckpointsRequest
    ) -> pb.ListFineTuningJobCheckpointsResponse:
        asked = read(request, CheckpointsPage, _ID)
        page = await self._kept.tuning.checkpoints(principal, request.fine_tuning_job_id, limit=asked.limit, after=asked.after)
        checkpoints = [checkpoint_of(each) for each in page.items]
        return pb.ListFineTuningJobCheckpointsResponse(checkpoints=checkpoints, has_more=page.has_more)

    @streaming(pb.WatchFineTuningJobRequest, pb.WatchFineTuningJobResponse)
    async def WatchFineTuningJob(
        self, principal: Principal, request: pb.WatchFineTuningJobRequest
    ) -> AsyncGenerator[pb.WatchFineTuningJobResponse, None]:
        edge = self._grpc_edge
        told = self._kept.tuning.watch(principal, request.fine_tuning_job_id, request.after_sequence)
        async with aclosing(watching(told, edge.watches, principal.org_id, edge.watch_s)) as watched:
            async for each in watched:
                if each.event is not None:
                    yield pb.WatchFineTuningJobResponse(sequence=each.sequence, event=event_of(event_object(each.event)))
                elif each.state is not None:
                    yield pb.WatchFineTuningJobResponse(sequence=each.sequence, job=job_of(each.state))
