"""vLLM's chat serving class without an engine behind it: generations are played from a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.output_processor import RequestOutputCollector

from cluster.config.settings.models import ModelSettings
from cluster.engine.contract import EngineRequest, Frame, Operation
from cluster.engine.vllm import harmony
from cluster.engine.vllm.engine import VllmEngine
from cluster.engine.vllm.metered import MeteredGenerations
from tests.unit.engine.harmony.scripts import Script, Step, encoding

PROMPT = [1, 2, 3]


class FakeTokenizer:
    """Spells tokens as Harmony's vocabulary does; ids beyond it are nothing."""

    def decode(self, ids: list[int]) -> str:
        return encoding().decode([token for token in ids if token < 201_089])

    def get_vocab(self) -> dict[str, int]:
        return {}

    def encode(self, text: str, **_: Any) -> list[int]:
        return []


class ScriptedLLM:
    """Plays ``script`` for the next generation into vLLM's own collector, and keeps the sampling parameters that it was asked with.

    Like vLLM's output handler, the player waits for nobody; but each output is on its way before the next one comes, unless
    ``hurries``.
    """

    errored = False
    input_processor = None

    def __init__(self) -> None:
        self.renderer = SimpleNamespace(tokenizer=FakeTokenizer())
        self.model_config = SimpleNamespace(
            model="m",
            max_model_len=4096,
            hf_config=SimpleNamespace(model_type="gpt_oss"),
            get_diff_sampling_param=dict,
            generation_config="auto",
            is_encoder_decoder=False,
        )
        self.script: Script | None = None
        self.params: Any = None
        self.hurries = False
        self._player: asyncio.Task[None] | None = None

    def check_admission(self, n: int = 1) -> None:
        """There is always room."""

    async def add_request(self, request_id: str, prompt: Any, params: Any) -> RequestOutputCollector:
        self.params = params
        assert self.script is not None
        collector = RequestOutputCollector(RequestOutputKind.DELTA, request_id)
        self._player = asyncio.create_task(self._play(self.script, collector))
        return collector

    async def generate(self, prompt: Any, params: Any, request_id: str, **_: Any) -> AsyncGenerator[Any, None]:
        collector = await self.add_request(request_id, prompt, params)
        finished = False
        while not finished:
            output = collector.get_nowait() or await collector.get()
            finished = output.finished
            yield output

    async def _play(self, script: Script, collector: RequestOutputCollector) -> None:
        for number, steps in enumerate(script.outputs):
            if not self.hurries:
                await _turns(4)
            finished = number + 1 == len(script.outputs) and not script.dies
            collector.put(
                RequestOutput(
                    request_id=collector.request_id,
                    prompt=None,
                    prompt_token_ids=PROMPT,
                    prompt_logprobs=None,
                    outputs=[_completion(step) for step in steps],
                    finished=finished,
                    num_cached_tokens=2,
                )
            )
        if script.dies:
            if not self.hurries:
                await _turns(4)
            collector.put(EngineDeadError())


class FakeEngineClient(MeteredGenerations, ScriptedLLM):
    """What :class:`VllmEngine` expects of ``MeteredAsyncLLM``."""


async def _turns(count: int) -> None:
    """Let others have so many turns of the event loop: a woken stream needs two to take its output."""
    for _ in range(count):
        await asyncio.sleep(0)


def _completion(step: Step) -> CompletionOutput:
    return CompletionOutput(
        index=step.index,
        text="",
        token_ids=step.token_ids,
        cumulative_logprob=None,
        logprobs=None,
        finish_reason=step.finish_reason,
        stop_reason=None,
    )


class FakeRenderer:
    """Renders every chat to the same prompt."""

    async def render_chat(self, request: Any) -> tuple[list[Any], list[Any]]:
        return [], [{"type": "token", "prompt_token_ids": PROMPT}]


def serving_chat(client: FakeEngineClient, **options: Any) -> Any:
    """vLLM's class as vLLM makes it for a gpt-oss model."""
    models = SimpleNamespace(
        model_name=lambda adapter: "m",
        lora_requests={},
        base_model_paths=[SimpleNamespace(name="m")],
        is_base_model=lambda name: True,
    )
    return OpenAIServingChat(
        client,
        models,
        "assistant",
        online_renderer=FakeRenderer(),
        request_logger=None,
        chat_template=None,
        chat_template_content_format="auto",
        **{"reasoning_parser": "openai_gptoss", "tool_parser": "openai", "enable_auto_tools": True} | options,
    )


def request_of(script: Script, request_id: str = "chatcmpl-1") -> EngineRequest:
    return EngineRequest(
        request_id=request_id,
        operation=Operation.CHAT,
        body=json.dumps(script.body).encode(),
        stream=True,
        cache_salt="salt",
        org_tag="org",
    )


class Gathering:
    """A sink that keeps what it gets. Not ready every ``every``-th time that it is asked."""

    def __init__(self, every: int = 0) -> None:
        self.frames: list[Frame] = []
        self.direct = 0
        self._every = every
        self._asked = 0

    @property
    def ready(self) -> bool:
        self._asked += 1
        return not self._every or self._asked % self._every != 0

    def put(self, payloads: list[bytes]) -> None:
        self.direct += 1
        self.frames.append(Frame(payloads=payloads))


class FakeEngine(VllmEngine):
    """Our engine over scripts, with one of its two front ends."""

    def __init__(self, *, lean: bool) -> None:
        self.streams: list[str] = []
        super().__init__(ModelSettings(id="m", source="openai/gpt-oss-20b"), on_stream=self.streams.append)
        self.client = FakeEngineClient()
        chat = serving_chat(self.client)
        self._llm = self.client
        self._serving = SimpleNamespace(openai_serving_chat=harmony.adopt(chat) if lean else chat)
        self._lean = lean

    async def play(self, script: Script, request_id: str = "chatcmpl-1", sink: Gathering | None = None) -> list[Frame]:
        """The frames, with those that went to ``sink`` in their places."""
        self.client.script = script
        request = request_of(script, request_id)
        if sink is None:
            return [frame async for frame in self.generate(request)]
        async for frame in self.generate(request, sink):
            sink.frames.append(frame)
        return sink.frames
