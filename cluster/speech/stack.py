"""The recognizer and the synthesizer that the settings name, made and started."""

from __future__ import annotations

import logging
from typing import Protocol

from cluster.config.settings.speech import SpeechSettings
from cluster.speech.contract import Recognizer, Synthesizer
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.espeak.synthesizer import EspeakSynthesizer
from cluster.speech.flite.synthesizer import FliteSynthesizer
from cluster.speech.kokoro.synthesizer import KokoroSynthesizer
from cluster.speech.sphinx.recognizer import SphinxRecognizer
from cluster.speech.vllm.recognizer import VllmRecognizer, engine_settings
from cluster.speech.whisper.recognizer import WhisperRecognizer

logger = logging.getLogger("ossature.speech")


class Hosted(Protocol):
    """What has processes or a model to start, and to end. Only whoever hosts it calls these."""

    async def start(self) -> None:
        """Raises:
        SpeechUnavailable: it can't work here.
        """
        ...

    async def stop(self) -> None:
        """Idempotent."""
        ...

    async def check_health(self) -> None:
        """Raises:
        SpeechUnavailable: it doesn't work any more.
        """
        ...


class HostedRecognizer(Recognizer, Hosted, Protocol): ...


class HostedSynthesizer(Synthesizer, Hosted, Protocol): ...


def recognizer(settings: SpeechSettings) -> HostedRecognizer:
    """The configured recognizer, not started yet."""
    workers, wait_s, max_audio_s = settings.recognizer_workers, settings.worker_wait_s, settings.max_utterance_s
    if settings.recognizer == "whisper":
        assert settings.recognizer_model is not None
        return WhisperRecognizer(
            settings.recognizer_model,
            device=settings.recognizer_device,
            workers=workers,
            wait_s=wait_s,
            max_audio_s=max_audio_s,
        )
    if settings.recognizer == "vllm":
        assert settings.recognizer_model is not None
        engine = engine_settings(settings.recognizer_model, settings.recognizer_engine, workers=workers, num_gpus=settings.num_gpus)
        return VllmRecognizer(engine, workers=workers, wait_s=wait_s, max_audio_s=max_audio_s)
    return SphinxRecognizer(workers=workers, wait_s=wait_s, max_audio_s=max_audio_s)


def synthesizers(settings: SpeechSettings) -> list[HostedSynthesizer]:
    """In the order to try them in: the first that starts is the one."""
    workers, wait_s, max_chars = settings.synthesizer_workers, settings.worker_wait_s, settings.max_text_chars
    if settings.synthesizer == "kokoro":
        assert settings.synthesizer_model is not None
        kokoro = KokoroSynthesizer(
            settings.synthesizer_model,
            file=settings.synthesizer_file,
            device=settings.synthesizer_device,
            workers=workers,
            threads=settings.synthesizer_threads,
            wait_s=wait_s,
            max_chars=max_chars,
        )
        return [kokoro]
    flite = FliteSynthesizer(workers=workers, wait_s=wait_s, max_chars=max_chars)
    espeak = EspeakSynthesizer(workers=workers, wait_s=wait_s, max_chars=max_chars)
    by_name: dict[str, list[HostedSynthesizer]] = {"auto": [flite, espeak], "flite": [flite], "espeak": [espeak]}
    return by_name[settings.synthesizer]


async def started_synthesizer(candidates: list[HostedSynthesizer]) -> HostedSynthesizer:
    """Raises:
    SpeechUnavailable: none of them starts; the message is that of the first, which is the one to have.
    """
    failures: list[SpeechUnavailable] = []
    for candidate in candidates:
        try:
            await candidate.start()
        except SpeechUnavailable as unavailable:
            failures.append(unavailable)
            logger.warning("%s: %s", type(candidate).__name__, unavailable.message)
        else:
            return candidate
    raise failures[0]
