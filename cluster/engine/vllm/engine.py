"""vLLM as an :class:`~cluster.engine.contract.Engine`: ``AsyncLLM`` and vLLM's own OpenAI serving classes, in this process.

Chat templates, Harmony, tool and reasoning parsers, structured outputs and log probabilities are vLLM's. What is ours: identity of
the answer, salt and priority, OpenAI's exact shapes, usage and timing, faults, the life of the engine's processes, and the writing
of gpt-oss streams (``harmony/``).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from functools import partial
from typing import Any

from cluster.config.settings.models import ModelSettings
from cluster.engine.adapters.errors import AdapterError, AdapterUnusable
from cluster.engine.adapters.folder import AdapterFolder
from cluster.engine.adapters.loading import AdapterObserver, Adapters, Held
from cluster.engine.cold_start import ColdStart, OnPhase, Phase
from cluster.engine.contract import (
    Adapter,
    EngineRequest,
    EngineTiming,
    EngineUsage,
    Fault,
    Frame,
    Operation,
    PayloadSink,
)
from cluster.engine.observer import SilentObserver
from cluster.engine.processes import EngineProcesses
from cluster.engine.residency import Residency
from cluster.engine.vllm import arguments, audio_input, faults, harmony, image_input, media, payloads
from cluster.engine.vllm.architecture import is_gpt_oss
from cluster.engine.vllm.environment import engine_environment
from cluster.engine.vllm.patches.startup_phases import KV_CACHE, LOAD_WEIGHTS, UTILITY
from cluster.engine.vllm.requests import to_vllm
from cluster.engine.vllm.warm_up import warm_up

logger = logging.getLogger("ossature.engine")

SHUTDOWN_TIMEOUT_S = 5.0


class VllmEngine:
    """One engine. ``rank`` tells this replica's metrics from those of the model's other replicas.

    ``on_stream`` is told which front end writes each streamed answer that has begun: ``lean`` or ``vllm``.
    ``residency`` is kept in step with the engine's prefix cache. ``adapter_files``: where adapters of tuned models are found;
    without it there are none. ``on_adapters`` is told which ones are held, ``adapter_observer`` what loading them takes.
    """

    def __init__(
        self,
        model: ModelSettings,
        *,
        rank: int = 0,
        on_phase: OnPhase | None = None,
        on_stream: Callable[[str], None] | None = None,
        residency: Residency | None = None,
        adapter_files: AdapterFolder | None = None,
        on_adapters: Callable[[Held], None] | None = None,
        adapter_observer: AdapterObserver | None = None,
    ) -> None:
        self._model = model
        self._adapter_files = adapter_files
        self._on_adapters = on_adapters or (lambda held: None)
        self._adapter_observer = adapter_observer or SilentObserver()
        self._adapters: Adapters | None = None
        self._rank = rank
        self._on_phase = on_phase or (lambda report: None)
        self._on_stream = on_stream or (lambda front_end: None)
        self._processes = EngineProcesses()
        # The kernel ends engine processes with the thread that made them (patches/parent_death.py), so this one thread lives as
        # long as the engine. Building the engine blocks for its whole cold start, which the event loop must not.
        self._launcher = ThreadPoolExecutor(1, thread_name_prefix="engine-launcher")
        self._llm: Any = None
        self._serving: Any = None
        self._lean = False
        self._media: dict[str, media.MakeReady] = {}
        self._residency = residency
        self._follower: Any = None

    # --- life -------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Import vLLM, start its processes, load the model, warm it up. Raises what vLLM raises when it can't."""
        for name, value in engine_environment(self._model).items():
            os.environ.setdefault(name, value)
        cold_start = ColdStart(self._model.id, self._on_phase)
        loop = asyncio.get_running_loop()
        try:
            with cold_start.phase(Phase.IMPORT):
                namespace = await loop.run_in_executor(self._launcher, self._import)
            began_s = cold_start.now_s()
            self._llm = await loop.run_in_executor(self._launcher, self._launch, namespace)
            # This engine's own: the process may hold other engines, whose children are not this one's to end.
            self._processes.adopt(self._llm.engine_core.resources.engine_manager.processes)
            await self._report_launch(cold_start, cold_start.now_s() - began_s)
            if self._follower is not None:
                await self._follower.begin(self._llm.engine_core)
            with cold_start.phase(Phase.SERVING):
                self._serving = await self._build_serving(namespace)
            if self._adapter_files is not None and self._model.adapters.enabled:
                await self._adapter_files.open()
                self._adapters = self._build_adapters(self._adapter_files)
            with cold_start.phase(Phase.WARM_UP):
                await self._warm_up()
        except BaseException:
            await self.stop()
            raise

    def _import(self) -> Any:
        from cluster.engine.vllm.plugin import patch_front_end

        namespace = arguments.build(self._model)
        if self._residency is not None:
            from cluster.engine.vllm.kv_events.follower import EventFollower

            self._follower = EventFollower(self._residency)
            self._follower.configure(namespace)
        patch_front_end()
        return namespace

    def _launch(self, namespace: Any) -> Any:
        from vllm import AsyncEngineArgs

        from cluster.engine.vllm.metered import MeteredAsyncLLM
        from cluster.engine.vllm.stat_logger import replica_stat_logger

        return MeteredAsyncLLM.from_engine_args(
            AsyncEngineArgs.from_cli_args(namespace), stat_loggers=[replica_stat_logger(self._rank)]
        )

    async def _report_launch(self, cold_start: ColdStart, seconds: float) -> None:
        """Split the launch into what the engine core has measured, and the rest: starting processes that import vLLM again."""
        inside = await self._llm.engine_core.call_utility_async(UTILITY)
        cold_start.report(Phase.PROCESSES, max(seconds - sum(inside.values()), 0.0))
        cold_start.report(Phase.LOAD_WEIGHTS, inside[LOAD_WEIGHTS])
        cold_start.report(Phase.KV_CACHE, inside[KV_CACHE])

    async def _build_serving(self, namespace: Any) -> Any:
        from starlette.datastructures import State
        from vllm.entrypoints.launchers.api_server.app_state import init_app_state
        from vllm.envs import enable_envs_cache

        hearing_hz = audio_input.listening_rate_hz(self._llm)
        if hearing_hz is not None:
            self._media[audio_input.PART] = audio_input.decoder(hearing_hz)
        if image_input.sees(self._llm):
            self._media[image_input.PART] = image_input.make_ready
        state = State()
        await init_app_state(self._llm, state, namespace, await self._llm.get_supported_tasks())
        if self._model.harmony_front_end == "lean" and is_gpt_oss(self._model.source):
            vllms, state.openai_serving_chat = state.openai_serving_chat, harmony.adopt(state.openai_serving_chat)
            self._lean = state.openai_serving_chat is not vllms
        # vLLM's engine core does this for itself. Its front end reads variables for each token; looking one up takes microseconds.
        enable_envs_cache()
        return state

    def _build_adapters(self, files: AdapterFolder) -> Adapters:
        from cluster.engine.vllm.lora_host import LoraHost

        host = LoraHost(self._llm, self._serving.openai_serving_models)
        return Adapters(self._model.id, files, host, host.check, self._adapter_observer, self._on_adapters)

    async def _warm_up(self) -> None:
        await warm_up(self, self._model.id)

    async def stop(self) -> None:
        """End every process of the engine. Idempotent."""
        llm, self._llm, self._serving = self._llm, None, None
        adapters, self._adapters = self._adapters, None
        loop = asyncio.get_running_loop()
        try:
            if adapters is not None:
                await adapters.close()
            if self._follower is not None:
                await self._follower.stop()
            if llm is not None:
                await loop.run_in_executor(self._launcher, llm.shutdown, SHUTDOWN_TIMEOUT_S)
        finally:
            self._processes.kill()
            self._launcher.shutdown(wait=False)

    async def check_health(self) -> None:
        """Raises when vLLM has given up or one of its processes is gone."""
        if self._llm is None:
            raise RuntimeError(f"the engine of {self._model.id} is not running")
        self._processes.check()
        await self._llm.check_health()

    def unfinished_requests(self) -> int:
        """Requests that vLLM is working on or has waiting."""
        return 0 if self._llm is None else int(self._llm.get_num_unfinished_requests())

    # --- requests -----------------------------------------------------------------------------------------------------------

    async def generate(self, request: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        """See :class:`~cluster.engine.contract.Engine`."""
        if request.deadline_unix_s is not None and time.time() >= request.deadline_unix_s:
            yield Frame(fault=faults.DEADLINE)
            return
        if self._llm is None:
            yield Frame(fault=faults.ENGINE_DEAD)
            return
        meter = self._meter(request, sink)
        try:
            async with self._with_adapter(request.adapter):
                try:
                    answer = await self._begin_stream(request, meter) if request.stream else self._whole(request, meter)
                    async with aclosing(answer):
                        async for frame in answer:
                            yield frame
                finally:
                    # Before the adapter is given back: vLLM may need it until it has been told.
                    await meter.close()
        except AdapterError as error:
            yield Frame(fault=error.fault)
        except Exception as error:  # noqa: BLE001  # whatever vLLM raises becomes a fault; defects are logged
            yield Frame(fault=self._fault(request, meter, error))

    def _with_adapter(self, adapter: Adapter | None) -> AbstractAsyncContextManager[None]:
        """Raises :class:`AdapterError` when entered."""
        if adapter is None:
            return nullcontext()
        if self._adapters is None:
            raise AdapterUnusable("This replica serves no tuned models.")
        return self._adapters.using(adapter)

    def _meter(self, request: EngineRequest, sink: PayloadSink | None) -> Any:
        from cluster.engine.vllm.metered import RequestMeter

        if self._residency is None:
            return RequestMeter(sink)
        return RequestMeter(sink, name=request.request_id, on_prompt=partial(self._residency.computed, request.request_id))

    async def _begin_stream(self, request: EngineRequest, meter: Any) -> AsyncGenerator[Frame, None]:
        with meter.active():
            result = await self._ask(request)
        if isinstance(result, AsyncIterator):
            self._on_stream("vllm")
            return self._understood(request, meter, result)  # type: ignore[arg-type]  # vLLM gives a generator
        if self._lean:
            from cluster.engine.vllm.harmony.serving import LeanAnswer

            if isinstance(result, LeanAnswer):
                self._on_stream("lean")
                return self._written(meter, result)
        return _refused(faults.from_response(result.error.model_dump(), request.operation, started=False))

    async def _written(self, meter: Any, answer: Any) -> AsyncGenerator[Frame, None]:
        """An answer of the lean front end (a ``LeanAnswer``)."""
        direct = meter.direct
        async with aclosing(answer.outputs) as outputs:
            async for output in outputs:
                if direct is not None:
                    direct.close()
                if written := answer.write(output):
                    yield Frame(payloads=written)
                if answer.failure is not None:
                    raise answer.failure
                if direct is not None:
                    direct.open(answer.write)
        yield Frame(usage=_usage(meter, answer.reasoning_tokens), timing=_timing(meter))

    async def _understood(
        self, request: EngineRequest, meter: Any, events: AsyncGenerator[str, None]
    ) -> AsyncGenerator[Frame, None]:
        """An answer in vLLM's events."""
        understand = payloads.chat_event if request.operation is Operation.CHAT else payloads.completion_event
        usage: Mapping[str, Any] = {}
        async with aclosing(events):
            async for text in events:
                event = understand(text)
                if event.payload is not None:
                    yield Frame(payloads=[event.payload])
                elif event.usage is not None:
                    usage = event.usage
                elif event.error is not None:
                    if meter.error is not None:
                        raise meter.error
                    yield Frame(fault=self._refusal(request, meter, event.error))
                    return
        yield Frame(usage=_usage(meter, _reasoning_tokens(usage)), timing=_timing(meter))

    async def _whole(self, request: EngineRequest, meter: Any) -> AsyncGenerator[Frame, None]:
        with meter.active():
            result = await self._ask(request)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError  # vLLM has taken the cancellation for an answer
        body = result.model_dump()
        if "error" in body:
            yield Frame(fault=self._refusal(request, meter, body["error"]))
            return
        if payloads.aborted(body):
            yield Frame(fault=faults.ENGINE_DEAD)
            return
        rebuild = payloads.chat_body if request.operation is Operation.CHAT else payloads.completion_body
        yield Frame(payloads=[rebuild(body)], usage=_usage(meter, _reasoning_tokens(body["usage"])), timing=_timing(meter))

    async def _ask(self, request: EngineRequest) -> Any:
        """vLLM's serving class: an iterator of events, a response object or an error object."""
        if request.operation is Operation.CHAT:
            if self._media and media.has_media(request, self._media):
                request = await asyncio.to_thread(media.ready, request, self._media)
            return await self._serving.openai_serving_chat.create_chat_completion(to_vllm(request, lean=self._lean))
        return await self._serving.openai_serving_completion.create_completion(to_vllm(request))

    def _fault(self, request: EngineRequest, meter: Any, error: Exception) -> Any:
        fault = faults.from_exception(error, request.operation, started=meter.started)
        if fault is faults.INTERNAL:
            logger.error("request %s failed", request.request_id, exc_info=error, extra={"answer_id": request.request_id})
        return fault

    def _refusal(self, request: EngineRequest, meter: Any, error: Mapping[str, Any]) -> Any:
        fault = faults.from_response(error, request.operation, started=meter.started)
        if fault is faults.INTERNAL:
            told = {"answer_id": request.request_id}
            logger.error("request %s failed in vLLM: %s", request.request_id, error.get("type"), extra=told)
        return fault


async def _refused(fault: Fault) -> AsyncGenerator[Frame, None]:
    yield Frame(fault=fault)


def _reasoning_tokens(usage: Mapping[str, Any]) -> int:
    return (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0


def _usage(meter: Any, reasoning_tokens: int) -> EngineUsage:
    return EngineUsage(
        prompt_tokens=meter.prompt_tokens,
        completion_tokens=meter.completion_tokens,
        cached_tokens=meter.cached_tokens,
        reasoning_tokens=reasoning_tokens,
    )


def _timing(meter: Any) -> EngineTiming | None:
    timing: EngineTiming | None = meter.timing
    return timing
