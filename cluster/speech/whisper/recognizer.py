"""Whisper as a :class:`~cluster.speech.contract.Recognizer`: any checkpoint of that architecture, from a folder or the hub.

It takes an utterance whole, so all of the work comes when the utterance settles: for conversations it wants a GPU, or a small
checkpoint. Torch lets Python's lock go while it computes, so threads do.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.errors import Overloaded
from cluster.speech.audio.resample import check_rate
from cluster.speech.contract import LISTENING_RATE_HZ, SAMPLE_RATE_HZ
from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.listening import check_language
from cluster.speech.whole import Heard, WholeUtterance

logger = logging.getLogger("ossature.speech.whisper")

#: What the network hears at a time; longer utterances are heard in pieces.
_WINDOW_S: Final = 30
#: An utterance has no more: a bound on a model that goes round in circles.
_MAX_TOKENS: Final = 224
#: Words to expect, of which the model can take half of its context.
_MAX_PROMPT_CHARS: Final = 800


class WhisperRecognizer:
    """``workers`` utterances are recognized at a time, by one copy of the weights."""

    def __init__(
        self, source: str, *, device: str = "cpu", workers: int = 1, wait_s: float = 10.0, max_audio_s: float = 120.0
    ) -> None:
        """``source``: a folder, or a repository of the hub. ``device``: as torch names it (``cpu``, ``cuda``).

        ``wait_s``: longest wait for a turn. ``max_audio_s``: longest utterance.
        """
        self._source = source
        self._device = device
        self._wait_s = wait_s
        self._max_audio_s = max_audio_s
        self._turns = asyncio.Semaphore(workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="whisper")
        self._languages: tuple[str, ...] = ()
        self._processor: Any = None
        self._model: Any = None

    @property
    def languages(self) -> Sequence[str]:
        """Known once started."""
        return self._languages

    async def start(self) -> None:
        """Load the weights.

        Raises:
            SpeechUnavailable: torch or transformers is missing, or ``source`` holds no Whisper.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._load)
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            raise SpeechUnavailable(f"the recognizer can't load Whisper from {self._source}: {error}") from error

    async def stop(self) -> None:
        """Wait for what is being recognized, and let the weights go. Idempotent."""
        await asyncio.to_thread(self._threads.shutdown)
        self._model = self._processor = None

    async def check_health(self) -> None:
        """Raises:
        SpeechUnavailable: no weights are loaded.
        """
        if self._model is None:
            raise SpeechUnavailable("Whisper is not loaded")

    def open(
        self, *, rate_hz: int = SAMPLE_RATE_HZ, language: str | None = None, prompt: str | None = None, live: bool = True
    ) -> WholeUtterance:
        """See the contract. ``live`` makes no difference."""
        del live
        check_rate(rate_hz)
        code = check_language(language, self._languages)
        hear = partial(self._hear, language=code, prompt=prompt)
        return WholeUtterance(hear, rate_hz=rate_hz, language=code, max_audio_s=self._max_audio_s)

    async def _hear(self, samples: NDArray[np.float32], *, language: str | None, prompt: str | None) -> Heard:
        """The text of samples at 16 kHz.

        Raises:
            Overloaded: no turn came in time.
            SpeechFailed: the model broke.
        """
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("all speech workers are busy", code="speech_overloaded") from None
        dropped = threading.Event()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._generate, samples, language, prompt, dropped)
        # When whoever waits is cancelled, the thread still ends its step, and the turn with it.
        work.add_done_callback(lambda _: self._turns.release())
        try:
            return Heard(await asyncio.shield(work), language)
        except asyncio.CancelledError:
            dropped.set()
            raise
        except RuntimeError as error:
            logger.exception("Whisper failed")
            raise SpeechFailed("the recognizer failed") from error

    def _load(self) -> None:
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        self._processor = WhisperProcessor.from_pretrained(self._source)
        model = WhisperForConditionalGeneration.from_pretrained(self._source, dtype="auto").to(self._device).eval()
        names = getattr(model.generation_config, "lang_to_id", None) or {}
        self._languages = tuple(sorted(name.strip("<|>") for name in names)) or ("en",)
        # Each call says how much it may write; with the checkpoint's own limit beside it transformers warns each time.
        model.generation_config.max_length = None
        self._model = model

    def _generate(self, samples: NDArray[np.float32], language: str | None, prompt: str | None, dropped: threading.Event) -> str:
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        class Dropped(StoppingCriteria):  # type: ignore[misc]  # transformers ships no types
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                return torch.full((input_ids.shape[0],), dropped.is_set(), device=input_ids.device)

        options: dict[str, Any] = {"stopping_criteria": StoppingCriteriaList([Dropped()])}
        config = self._model.config
        if getattr(self._model.generation_config, "is_multilingual", False):
            options |= {"language": language, "task": "transcribe"}
        if prompt:
            prompt_ids = self._processor.get_prompt_ids(prompt[-_MAX_PROMPT_CHARS:], return_tensors="pt")
            options["prompt_ids"] = prompt_ids[-config.max_target_positions // 4 :].to(self._device)
        texts = []
        for at in range(0, len(samples), _WINDOW_S * LISTENING_RATE_HZ):
            if dropped.is_set():
                break
            window = samples[at : at + _WINDOW_S * LISTENING_RATE_HZ]
            features = self._processor(window, sampling_rate=LISTENING_RATE_HZ, return_tensors="pt").input_features
            features = features.to(self._device, self._model.dtype)
            room = config.max_target_positions - len(options.get("prompt_ids", ())) - 8
            with torch.inference_mode():
                tokens = self._model.generate(features, max_new_tokens=min(_MAX_TOKENS, room), **options)
            texts.append(self._processor.batch_decode(tokens, skip_special_tokens=True)[0].strip())
        return " ".join(filter(None, texts))
