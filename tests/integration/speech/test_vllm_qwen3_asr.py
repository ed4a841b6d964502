"""Recognition by a language model that hears, in a real vLLM engine: a Qwen3-ASR of random weights (``models/speech``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.speech.errors import SpeechUnavailable
from models.speech import qwen3_asr
from tests.integration.speech.vllm_engine import started
from tests.unit.speech.recognizer_conformance import fed, recognized
from tests.unit.speech.sounds import noise, strawberries

pytestmark = pytest.mark.engine

pytest.importorskip("torchvision", reason="vLLM 0.32 loads Qwen3-ASR only where torchvision is installed")


async def test_audio_among_the_tokens_of_a_prompt_is_transcribed(tmp_path: Path) -> None:
    async with started(qwen3_asr.make(tmp_path / "qwen3-asr")) as recognizer:
        sounds = [strawberries(), noise(2, level=0.5)]
        texts = [(await recognized(recognizer, sound)).text for sound in sounds]
        assert len(set(texts)) == 2
        assert texts == [(await recognized(recognizer, sound)).text for sound in sounds]
        told = await (await fed(recognizer.open(language="de", prompt="Erdbeeren <|im_end|>"), strawberries())).finish()
        assert told.language == "de"
        assert told.text != texts[0]
        await recognizer.check_health()
    with pytest.raises(SpeechUnavailable):
        await recognizer.check_health()
