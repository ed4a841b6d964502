"""A vLLM engine that only transcribes: any model with vLLM's ``SupportsTranscription`` (Whisper, Voxtral, Qwen3-ASR, …).

Prompts are the model class's own, as in vLLM's ``/v1/audio/transcriptions``. What is ours: the life of the engine's processes,
bounds on prompt and answer, and that no two utterances share anything cached.
"""

from __future__ import annotations

import asyncio
import logging
import math
import multiprocessing
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.config.settings.models import ModelSettings
from cluster.engine.processes import EngineProcesses
from cluster.engine.vllm import arguments
from cluster.engine.vllm.environment import engine_environment

logger = logging.getLogger("ossature.engine.transcriber")

_SHUTDOWN_TIMEOUT_S: Final = 5.0
_TASK: Final = "transcription"
#: A bound on a model that goes round in circles: more than anybody says, in any script.
_TOKENS_PER_S: Final = 16
_TOKENS_BESIDES: Final = 64
#: Shorter utterances are filled up with silence.
_LEAST_S: Final = 1.0
#: Share of the context that words to expect may take.
_PROMPT_SHARE: Final = 4
#: How vLLM's Whisper marks words to expect, and how Whisper was taught to.
_PREVIOUS: Final = ("<|prev|>", "<|startofprev|>")
#: What looks like a control token in a prompt would be read as one.
_CONTROL_TOKEN = re.compile(r"<\|[^|<>]*\|>")


class TranscriberFailed(RuntimeError):
    """The engine could not transcribe an utterance."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    """``language``: told or detected, ISO 639-1; None where it was neither."""

    text: str
    language: str | None


class VllmTranscriber:
    """One engine, and the processes that it consists of."""

    def __init__(self, model: ModelSettings) -> None:
        """``model``: its ``source``, ``engine`` arguments and environment count."""
        self._model = model
        self._processes = EngineProcesses()
        # The kernel ends engine processes with the thread that made them (patches/parent_death.py): it lives as long as they.
        self._launcher = ThreadPoolExecutor(1, thread_name_prefix="transcriber-launcher")
        self._llm: Any = None
        self._model_class: Any = None
        self._config: Any = None
        self._tokenizer: Any = None

    # --- life -------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the model and transcribe a second of silence. Raises what vLLM raises when it can't, and ``ValueError`` for
        arguments that it doesn't know and models that don't transcribe."""
        for name, value in engine_environment(self._model).items():
            os.environ.setdefault(name, value)
        loop = asyncio.get_running_loop()
        try:
            self._llm = await loop.run_in_executor(self._launcher, self._launch)
            self._processes.adopt(multiprocessing.active_children())
            if _TASK not in await self._llm.get_supported_tasks():
                raise ValueError(f"{self._model.source} holds no model that transcribes")
            await asyncio.to_thread(self._prepare)
            await self.transcribe(np.zeros(int(self._config.sample_rate), np.float32))
        except BaseException:
            await self.stop()
            raise

    def _launch(self) -> Any:
        namespace = arguments.build(self._model)
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        return AsyncLLM.from_engine_args(AsyncEngineArgs.from_cli_args(namespace))

    def _prepare(self) -> None:
        from vllm.model_executor.model_loader import get_model_cls

        config = self._llm.model_config
        self._model_class = get_model_cls(config)
        self._config = self._model_class.get_speech_to_text_config(config, "transcribe")
        self._tokenizer = self._llm.renderer.get_tokenizer()

    async def stop(self) -> None:
        """End every process of the engine. Idempotent."""
        llm, self._llm = self._llm, None
        try:
            if llm is not None:
                await asyncio.get_running_loop().run_in_executor(self._launcher, llm.shutdown, _SHUTDOWN_TIMEOUT_S)
        finally:
            self._processes.kill()
            self._launcher.shutdown(wait=False)

    async def check_health(self) -> None:
        """Raises when vLLM has given up or one of its processes is gone."""
        if self._llm is None:
            raise RuntimeError("the transcriber is not running")
        self._processes.check()
        await self._llm.check_health()

    def unfinished_requests(self) -> int:
        """Pieces of utterances that vLLM is working on or has waiting."""
        return 0 if self._llm is None else int(self._llm.get_num_unfinished_requests())

    @property
    def languages(self) -> Sequence[str]:
        """ISO 639-1; those that the model class was written for. Known once started."""
        return sorted(self._model_class.supported_languages)

    @property
    def rate_hz(self) -> int:
        """The rate at which the model listens. Known once started."""
        return int(self._config.sample_rate)

    # --- utterances ---------------------------------------------------------------------------------------------------------

    async def transcribe(
        self, samples: NDArray[np.float32], *, language: str | None = None, prompt: str | None = None
    ) -> Transcribed:
        """The text of an utterance. Cancelling it aborts the generation within one engine step.

        ``samples``: shape (n,), in [-1, 1], at :attr:`rate_hz`. ``language``: one of :attr:`languages`. ``prompt``: words to
        expect.

        Raises:
            TranscriberFailed: the engine is dead, or can't take this utterance.
        """
        if self._llm is None:
            raise TranscriberFailed("the transcriber is not running")
        pieces = await asyncio.to_thread(self._pieces, samples)
        try:
            if language is None and getattr(self._model_class, "supports_explicit_language_detection", False):
                language = await self._language(pieces[0])
            words = self._words(prompt)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._piece(piece, language, words)) for piece in pieces]
        except Exception as error:
            raise _failed(error) from error
        separator = "" if language in self._model_class.no_space_languages else " "
        return Transcribed(separator.join(filter(None, (task.result() for task in tasks))), language)

    def _pieces(self, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """As long as the model takes them, cut where it is quiet. Some cut for themselves; none takes next to nothing."""
        from vllm.multimodal.audio import split_audio

        samples = np.pad(samples, (0, max(int(_LEAST_S * self.rate_hz) - len(samples), 0)))
        longest_s = self._config.max_audio_clip_s
        if not self._config.allow_audio_chunking or len(samples) <= longest_s * self.rate_hz:
            return [samples]
        pieces: list[NDArray[np.float32]] = split_audio(
            audio_data=samples,
            sample_rate=self.rate_hz,
            max_clip_duration_s=longest_s,
            overlap_duration_s=self._config.overlap_chunk_second,
            min_energy_window_size=self._config.min_energy_split_window_size,
        )
        return pieces

    async def _language(self, piece: NDArray[np.float32]) -> str:
        output = await self._generate(
            self._model_class.get_language_detection_prompt(piece, self._config),
            max_tokens=1,
            allowed_token_ids=self._model_class.get_language_token_ids(self._tokenizer),
        )
        return str(self._model_class.parse_language_detection_output(list(output.token_ids), self._tokenizer))

    async def _piece(self, piece: NDArray[np.float32], language: str | None, words: str) -> str:
        from vllm.config.speech_to_text import SpeechToTextParams

        asked = SpeechToTextParams(
            audio=piece, stt_config=self._config, model_config=self._llm.model_config, language=language, request_prompt=words
        )
        prompt = await asyncio.to_thread(self._model_class.get_generation_prompt, asked)
        tokens = _TOKENS_BESIDES + math.ceil(_TOKENS_PER_S * len(piece) / self.rate_hz)
        output = await self._generate(self._with_known_marks(prompt), max_tokens=tokens)
        return str(self._model_class.post_process_output(output.text)).strip()

    def _with_known_marks(self, prompt: Any) -> Any:
        """vLLM 0.32 puts a mark before the words to expect that no Whisper has in its vocabulary."""
        written, known = _PREVIOUS
        decoder = prompt.get("decoder_prompt")
        if isinstance(decoder, dict) and str(decoder.get("prompt", "")).startswith(written):
            vocabulary = self._tokenizer.get_vocab()
            if written not in vocabulary and known in vocabulary:
                decoder["prompt"] = known + decoder["prompt"].removeprefix(written)
        return prompt

    async def _generate(self, prompt: Any, **sampling: Any) -> Any:
        """The whole output for a prompt of the model class."""
        from vllm.renderers.inputs.preprocess import parse_model_prompt
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        llm = self._llm
        parsed = parse_model_prompt(llm.model_config, prompt)
        _seal(parsed)
        (engine_input,) = await llm.renderer.render_cmpl_async([parsed], prompt_extras={"cache_salt": secrets.token_hex(16)})
        params = SamplingParams(temperature=0.0, output_kind=RequestOutputKind.FINAL_ONLY, **sampling)
        async with aclosing(llm.generate(engine_input, params, f"transcription-{secrets.token_hex(16)}")) as outputs:
            results = [result async for result in outputs]
        if not results or results[-1].outputs[0].finish_reason == "abort":
            raise TranscriberFailed("the engine gave the utterance up")
        return results[-1].outputs[0]

    def _words(self, prompt: str | None) -> str:
        """What of a prompt the model is given: its end, within its share of the context, without what could pass for control."""
        words = _CONTROL_TOKEN.sub(" ", prompt or "").strip()
        most = self._llm.model_config.max_model_len // _PROMPT_SHARE
        tokens = self._tokenizer.encode(words, add_special_tokens=False) if words else []
        return words if len(tokens) <= most else str(self._tokenizer.decode(tokens[-most:])).strip()


def _seal(prompt: Mapping[str, Any]) -> None:
    """Give each piece of audio a name of its own, so that vLLM neither hashes it nor finds another utterance's work under it."""
    for part in (prompt, prompt.get("encoder_prompt"), prompt.get("decoder_prompt")):
        if isinstance(part, dict) and part.get("multi_modal_data"):
            data = part["multi_modal_data"]
            part["multi_modal_uuids"] = {
                kind: [secrets.token_hex(16) for _ in (items if isinstance(items, list) else [items])]
                for kind, items in data.items()
            }


def _failed(error: BaseException) -> TranscriberFailed:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, TranscriberFailed) else TranscriberFailed(f"the engine could not transcribe: {error}")
