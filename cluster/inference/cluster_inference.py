"""The inside, put together: model → admission → plan → route and send → answer → accounting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.edges import AdmissionSettings
from cluster.config.settings.models import ModelSettings
from cluster.engine.contract import EngineRequest
from cluster.errors import DeadlineExceeded, EngineFailed, Overloaded, PermissionDenied
from cluster.identity.principal import Principal
from cluster.inference.accounting import Recorder, RequestMeter
from cluster.inference.answer_stream import AnswerStream, shown
from cluster.inference.attempt import Opened, open_answer
from cluster.inference.chat_images import ChatImages
from cluster.inference.deadline import Deadline
from cluster.inference.faults import error_of
from cluster.inference.identifiers import answer_id
from cluster.inference.keeping import Keeper, Remembered, ToKeep
from cluster.inference.model_resolver import ModelResolver, Target
from cluster.inference.plan import Planner
from cluster.inference.request_trace import RequestTrace, operation_name
from cluster.inference.requests import GenerationRequest, problems
from cluster.inference.route_reasons import explain
from cluster.inference.service import Call, Completion, ModelCard
from cluster.relay.contract import Relay, ReplicaLost
from cluster.telemetry import labels, logs
from cluster.telemetry.tracing.span import UNTRACED, Kind, Tracer
from cluster.tuned.lookup import TunedLookup

_NO_REPLICA_RETRY_S = 5.0


@dataclass(slots=True)
class _Begun:
    opened: Opened
    request_id: str
    route: str
    deadline: Deadline
    meter: RequestMeter
    release: Callable[[], None]
    to_keep: ToKeep | None


class ClusterInference:
    """Implements :class:`~cluster.inference.service.Inference` over the cluster's engine replicas."""

    def __init__(
        self,
        models: Mapping[str, ModelSettings],
        relay: Relay,
        planner: Planner,
        limit: ConcurrencyLimit,
        max_in_progress: int,
        recorder: Recorder,
        admission: AdmissionSettings,
        has_replica: Callable[[str], bool],
        keeper: Keeper | None = None,
        tuned: TunedLookup | None = None,
        tracer: Tracer = UNTRACED,
        images: ChatImages | None = None,
    ) -> None:
        """``max_in_progress``: requests of all organizations. ``has_replica``: whether a model has a replica in reach now.

        ``keeper``: takes the answers that are to be stored; without one, none is. ``tuned``: without it there are no tuned models.
        ``tracer``: for requests whose edge has none. ``images``: without it no model sees.
        """
        self._resolver = ModelResolver(models, tuned)
        self._relay = relay
        self._planner = planner
        self._limit = limit
        self._max_in_progress = max_in_progress
        self._in_progress = 0
        self._recorder = recorder
        self._admission = admission
        self._has_replica = has_replica
        self._keeper = keeper
        self._tracer = tracer
        self._images = images

    def models(self, principal: Principal) -> list[ModelCard]:
        return self._resolver.configured(principal)

    def model(self, principal: Principal, model_id: str) -> ModelCard:
        return self._resolver.configured_card(principal, model_id)

    async def list_models(self, principal: Principal) -> list[ModelCard]:
        return await self._resolver.cards(principal)

    async def find_model(self, principal: Principal, model_id: str) -> ModelCard:
        return await self._resolver.card(principal, model_id)

    async def delete_model(self, principal: Principal, model_id: str) -> None:
        await self._resolver.delete(principal, model_id)

    async def complete(self, principal: Principal, request: GenerationRequest, call: Call) -> Completion:
        begun = await self._begin(principal, request, call)
        try:
            return await self._whole(begun)
        except BaseException as error:
            await begun.opened.stream.cancel()
            await begun.meter.failed(error)
            raise
        finally:
            begun.release()

    async def stream(self, principal: Principal, request: GenerationRequest, call: Call) -> AnswerStream:
        begun = await self._begin(principal, request, call)
        begun.meter.first_token()
        remembered = Remembered(begun.opened, begun.to_keep) if begun.to_keep is not None else None
        return AnswerStream(
            begun.opened if remembered is None else remembered.opened(),
            request_id=begun.request_id,
            model=request.model,
            operation=request.operation,
            include_usage=request.include_usage,
            route=begun.route,
            deadline=begun.deadline,
            meter=begun.meter,
            release=begun.release,
            remembered=remembered,
        )

    async def _whole(self, begun: _Begun) -> Completion:
        frame = begun.opened.first
        payloads = list(frame.payloads)
        while not frame.last:
            try:
                with begun.deadline:
                    frame = await anext(begun.opened.frames)
            except ReplicaLost:
                raise EngineFailed("The replica that served this request stopped. Please retry.") from None
            except TimeoutError:
                raise DeadlineExceeded("The request's deadline passed before the answer was finished.") from None
            payloads += frame.payloads
        if frame.fault is not None:
            raise error_of(frame.fault)
        if len(payloads) != 1 or frame.usage is None:
            raise EngineFailed("The engine gave no answer.")
        usage = shown(frame.usage)
        body = b'%b,"usage":%b}' % (payloads[0].rstrip()[:-1], usage.to_json())
        kept = begun.to_keep.keep(body, usage) if begun.to_keep is not None else None
        await begun.meter.completed(frame.usage, usage, frame.timing)
        warning = await kept.outcome() if kept is not None else None
        if warning is not None:
            body = b'%b,"warnings":[%b]}' % (body[:-1], warning.to_json())
        return Completion(begun.request_id, body, usage, begun.route)

    async def _begin(self, principal: Principal, request: GenerationRequest, call: Call) -> _Begun:
        """Everything up to the first frame; whatever fails here is counted and nothing of it stays behind."""
        if principal.admin:
            raise PermissionDenied("An admin key cannot run inference. Use a project's API key.")
        request_id = answer_id(request.operation)
        # The name that a caller made up becomes neither a label nor a row.
        label = self._resolver.label(principal, request.model) or labels.UNKNOWN
        trace = self._trace(principal, request, call, request_id)
        meter = RequestMeter(self._recorder, principal, label, call.edge, request_id, trace)
        meter.asked_model = request.model if request.model == label else labels.UNKNOWN
        release: Callable[[], None] | None = None
        try:
            timeout_s = self._admission.request_timeout_s
            if call.timeout_s is not None:
                timeout_s = min(timeout_s, call.timeout_s)
            deadline, release = self._enter(principal.org_id, timeout_s)
            target = await self._resolver.target(principal, request.model, probation=call.probation)
            model, meter.asked_model = target.model, target.name
            if not self._has_replica(model.id):
                raise Overloaded(
                    f"The model {model.id!r} has no running replica now. Please retry later.", retry_after_s=_NO_REPLICA_RETRY_S
                )
            plan = await self._planner.plan(principal, request, base_model=model.id if target.adapter is not None else None)
            engine_request = EngineRequest(
                request_id=request_id,
                operation=request.operation,
                body=await self._engine_body(target, request, deadline) if request.images else request.engine_body(),
                stream=request.stream,
                cache_salt=plan.cache_salt,
                org_tag=plan.org_tag,
                deadline_unix_s=time.time() + timeout_s,
                adapter=target.adapter,
            )
            logs.log_prompt(engine_request.body)
            opened, ticket = await open_answer(self._relay, model.id, engine_request, plan.ticket, deadline, meter)
            if opened.first.fault is not None:
                raise error_of(opened.first.fault)
        except BaseException as error:
            # First what needs no await: a second cancellation may come with any.
            if release is not None:
                release()
            await meter.failed(error)
            raise
        to_keep = None
        if request.to_store is not None and self._keeper is not None:
            to_keep = ToKeep(self._keeper, request.to_store, principal, request_id, call.trace_id, target.name)
        return _Begun(opened, request_id, explain(ticket, reasons=call.explain), deadline, meter, release, to_keep)

    async def _engine_body(self, target: Target, request: GenerationRequest, deadline: Deadline) -> bytes:
        """Of a request with images."""
        if self._images is None or not target.model.image_input:
            part = request.images[0].param.removesuffix(".image_url.url")
            raise problems.unsupported_value(f"{part}.type", f"the model {target.name!r} does not take 'image_url' parts.")
        try:
            with deadline:
                return await self._images.put_into(request.engine_body(), request.images)
        except TimeoutError:
            raise DeadlineExceeded("The request's deadline passed before its images were here.") from None

    def _trace(self, principal: Principal, request: GenerationRequest, call: Call, answer_id: str) -> RequestTrace | None:
        if call.span is None:
            span = self._tracer.begin(operation_name(request.operation), Kind.INTERNAL)
        else:
            span = call.span.child(operation_name(request.operation)) if call.span.recorded else call.span
        if not span.recorded:
            return None
        return RequestTrace(span, principal, edge=call.edge, answer_id=answer_id, origin=call.trace_id, operation=request.operation)

    def _enter(self, org_id: str, timeout_s: float) -> tuple[Deadline, Callable[[], None]]:
        """Take a place on this gateway and in the organization's limit, and set the clock.

        Returns the deadline, and what gives all of it back, to be called once.
        """
        if self._in_progress >= self._max_in_progress:
            raise Overloaded("This gateway has as many requests in progress as it may have. Please retry later.")
        slot = self._limit.acquire(org_id)
        self._in_progress += 1
        deadline = Deadline(asyncio.get_running_loop().time() + timeout_s)

        def leave() -> None:
            self._in_progress -= 1
            slot.release()
            deadline.close()

        return deadline, leave
