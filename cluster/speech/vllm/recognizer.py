"""A model that vLLM transcribes with (Whisper, Voxtral, Qwen3-ASR, …) as a :class:`~cluster.speech.contract.Recognizer`.

The engine is the speech replica's own (docs/decisions/0012). It takes an utterance whole and works on several at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.config.settings.models import ModelSettings, PlacementSettings
from cluster.engine.vllm.transcriber import TranscriberFailed, VllmTranscriber
from cluster.errors import Overloaded
from cluster.speech.audio.resample import check_rate
from cluster.speech.contract import SAMPLE_RATE_HZ
from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.listening import check_language
from cluster.speech.whole import Heard, WholeUtterance

logger = logging.getLogger("ossature.speech.vllm")

_NAME = "speech-recognizer"


def engine_settings(source: str, engine: dict[str, Any], *, workers: int, num_gpus: float) -> ModelSettings:
    """Of the recognizer's engine. ``engine``: vLLM's arguments, which go before what is set here.

    Raises:
        pydantic.ValidationError: arguments that the cluster sets itself, or that contradict each other.
    """
    defaults: dict[str, Any] = {
        "max_num_seqs": max(workers, 1),
        # An utterance enters the network whole: half a minute is 1,500 positions of Whisper.
        "max_num_batched_tokens": 4096,
        # One utterance is heard once: a cache of what was heard would only hold memory, and tell one caller of another.
        "mm_processor_cache_gb": 0,
        "limit_mm_per_prompt": {"audio": 1},
    }
    placement = PlacementSettings(gpus_per_worker=min(num_gpus, 1.0))
    return ModelSettings(id=_NAME, source=source, engine=defaults | engine, placement=placement)


class VllmRecognizer:
    """``workers`` utterances are in the engine at a time."""

    def __init__(self, model: ModelSettings, *, workers: int = 1, wait_s: float = 10.0, max_audio_s: float = 120.0) -> None:
        """``model``: see :func:`engine_settings`. ``wait_s``: longest wait for a turn. ``max_audio_s``: longest utterance."""
        self._source = model.source
        self._transcriber = VllmTranscriber(model)
        self._turns = asyncio.Semaphore(workers)
        self._wait_s = wait_s
        self._max_audio_s = max_audio_s
        self._languages: tuple[str, ...] = ()

    @property
    def languages(self) -> Sequence[str]:
        """Known once started."""
        return self._languages

    def unfinished_requests(self) -> int:
        """What the engine is working on or has waiting."""
        return self._transcriber.unfinished_requests()

    async def start(self) -> None:
        """Start the engine.

        Raises:
            SpeechUnavailable: vLLM is missing, knows no such model, or can't run it here.
        """
        try:
            await self._transcriber.start()
        except Exception as error:
            raise SpeechUnavailable(f"the recognizer can't serve {self._source} with vLLM: {error}") from error
        self._languages = tuple(self._transcriber.languages)

    async def stop(self) -> None:
        await self._transcriber.stop()

    async def check_health(self) -> None:
        """Raises:
        SpeechUnavailable: the engine is gone.
        """
        try:
            await self._transcriber.check_health()
        except Exception as error:
            raise SpeechUnavailable(f"the recognizer's engine is gone: {error}") from error

    def open(
        self, *, rate_hz: int = SAMPLE_RATE_HZ, language: str | None = None, prompt: str | None = None, live: bool = True
    ) -> WholeUtterance:
        """See the contract. ``live`` makes no difference."""
        del live
        check_rate(rate_hz)
        code = check_language(language, self._languages)
        return WholeUtterance(
            partial(self._hear, language=code, prompt=prompt),
            rate_hz=rate_hz,
            language=code,
            max_audio_s=self._max_audio_s,
            listening_hz=self._transcriber.rate_hz,
        )

    async def _hear(self, samples: NDArray[np.float32], *, language: str | None, prompt: str | None) -> Heard:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("all speech workers are busy", code="speech_overloaded") from None
        try:
            transcribed = await self._transcriber.transcribe(samples, language=language, prompt=prompt)
        except TranscriberFailed as error:
            logger.exception("an utterance could not be transcribed")
            raise SpeechFailed("the recognizer failed") from error
        finally:
            self._turns.release()
        return Heard(transcribed.text, transcribed.language)
