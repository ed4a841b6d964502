"""Which settings lead to which recognizer and synthesizer, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.config.settings.speech import SpeechSettings
from cluster.speech import stack
from cluster.speech.kokoro.synthesizer import KokoroSynthesizer
from cluster.speech.vllm.recognizer import VllmRecognizer, engine_settings


def test_settings_name_the_recognizer_of_vllm() -> None:
    assert isinstance(stack.recognizer(SpeechSettings(recognizer="vllm", recognizer_model="/m")), VllmRecognizer)


def test_settings_name_kokoro() -> None:
    (only,) = stack.synthesizers(SpeechSettings(synthesizer="kokoro", synthesizer_model="/m"))
    assert isinstance(only, KokoroSynthesizer)


def test_the_recognizers_engine_keeps_nothing_of_what_it_heard() -> None:
    settings = engine_settings("/m", {}, workers=8, num_gpus=1)
    assert settings.engine["mm_processor_cache_gb"] == 0
    assert settings.engine["max_num_seqs"] == 8


def test_arguments_of_the_settings_go_before_the_defaults() -> None:
    settings = engine_settings("/m", {"max_num_seqs": 3, "dtype": "float16"}, workers=8, num_gpus=1)
    assert (settings.engine["max_num_seqs"], settings.engine["dtype"]) == (3, "float16")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"recognizer": "vllm"}, "recognizer_model"),
        ({"synthesizer": "kokoro"}, "synthesizer_model"),
        ({"synthesizer_device": "cuda"}, "num_gpus"),
        ({"recognizer_engine": {"served_model_name": "x"}}, "recognizer_engine.served_model_name"),
        ({"recognizer_engine": {"enable_prefix_caching": False}}, "recognizer_engine.enable_prefix_caching"),
        ({"recognizer": "vllm", "recognizer_model": "/m", "num_gpus": 0.3}, "recognizer_engine.gpu_memory_utilization"),
        ({"synthesizer": "kokoro", "synthesizer_model": "/m", "synthesizer_file": "../x.onnx"}, "synthesizer_file"),
        ({"synthesizer": "kokoro", "synthesizer_model": "/m", "synthesizer_file": "/x.onnx"}, "synthesizer_file"),
    ],
    ids=str,
)
def test_what_can_not_work_is_refused_with_its_field(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SpeechSettings.model_validate(settings)
    assert field in str(refused.value)
