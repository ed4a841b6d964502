"""A chat model that hears in a real engine: Qwen2-Audio's architecture with random weights (``models/speech/audio_chat.py``)."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import FaultKind, Frame
from cluster.engine.deployment import EngineReplica
from cluster.engine.vllm.engine import VllmEngine
from cluster.realtime.session.context import Asked, chat_request
from cluster.realtime.session.items import StoredItem, StoredPart
from cluster.speech.audio.files import FileFormat, encode
from models.speech import audio_chat
from tests.integration.engine.asking import Answer, ask, make_request
from tests.integration.engine.metrics import metrics_of_another_engine
from tests.unit.speech.sounds import noise, strawberries, tone

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

MODEL = "tiny-audio-chat"
#: Qwen2-Audio: 100 frames a second, halved twice, and a mark before and after.
TOKENS_OF_TWO_SECONDS = 50 + 2
TOKENS_OF_TEN_SECONDS = 250 + 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hearing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VllmEngine]:
    os.environ["OMP_NUM_THREADS"] = "1"
    engine = VllmEngine(settings(audio_chat.make(tmp_path_factory.mktemp("models") / "audio-chat")), rank=7)
    with metrics_of_another_engine():
        await engine.start()
        yield engine
        await engine.stop()


def settings(folder: Path) -> ModelSettings:
    return ModelSettings.model_validate(
        {
            "id": MODEL,
            "source": str(folder),
            "audio_input": True,
            "environment": {"OMP_NUM_THREADS": "1"},
            "engine": {
                "dtype": "float32",
                "enforce_eager": True,
                "block_size": 32,
                "max_model_len": 2048,
                "max_num_seqs": 4,
                "max_num_batched_tokens": 2048,
                "kv_cache_memory_bytes": 64 << 20,
                "limit_mm_per_prompt": {"audio": 4},
            },
        }
    )


def audio(pcm: bytes, kind: FileFormat = FileFormat.WAV) -> dict[str, Any]:
    """PCM at 24 kHz as a part of a message."""
    data = base64.b64encode(encode(pcm, kind)).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind.value}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def chat(*parts: dict[str, Any], answer: int = 12) -> dict[str, Any]:
    return {
        "messages": [{"role": "system", "content": "Listen."}, {"role": "user", "content": list(parts)}],
        "max_completion_tokens": answer,
        "ignore_eos": True,
    }


async def told(engine: VllmEngine, body: dict[str, Any], *, salt: str = "salt", stream: bool = False) -> Answer:
    return await ask(engine, make_request(body, model=MODEL, salt=salt, stream=stream))


@pytest.mark.parametrize("kind", [FileFormat.WAV, FileFormat.MP3])
async def test_audio_counts_as_tokens_of_the_prompt_at_the_models_rate(hearing: VllmEngine, kind: FileFormat) -> None:
    words = await told(hearing, chat(text("What is it?")))
    both = await told(hearing, chat(audio(tone(2), kind), text("What is it?")))
    added = both.usage.prompt_tokens - words.usage.prompt_tokens
    slack = 3 if kind is FileFormat.MP3 else 0  # its frames don't end with the sound
    assert TOKENS_OF_TWO_SECONDS <= added <= TOKENS_OF_TWO_SECONDS + slack
    assert both.usage.completion_tokens == 12


async def test_the_answer_depends_on_what_was_heard(hearing: VllmEngine) -> None:
    sounds = [tone(2), noise(2, level=0.5), strawberries()[: 2 * 48_000]]
    answers = [(await told(hearing, chat(audio(sound)), salt=f"first-{at}")).text() for at, sound in enumerate(sounds)]
    assert len(set(answers)) > 1
    assert answers == [(await told(hearing, chat(audio(sound)), salt=f"second-{at}")).text() for at, sound in enumerate(sounds)]


async def test_a_stream_hears_what_a_whole_answer_hears(hearing: VllmEngine) -> None:
    whole, streamed = [await told(hearing, chat(audio(strawberries())), stream=stream) for stream in (False, True)]
    assert streamed.text() == whole.text()
    assert streamed.usage.prompt_tokens == whole.usage.prompt_tokens


async def test_heard_audio_is_cached_for_its_organization_alone(hearing: VllmEngine) -> None:
    sound = audio(noise(10, level=0.3, seed=3))
    first = await told(hearing, chat(sound, text("What is it?")), salt="mine")
    assert first.usage.prompt_tokens > TOKENS_OF_TEN_SECONDS
    assert first.usage.cached_tokens == 0
    again = await told(hearing, chat(sound, text("And how loud is it then?")), salt="mine")
    assert again.usage.cached_tokens >= TOKENS_OF_TEN_SECONDS - 32
    theirs = await told(hearing, chat(sound, text("What is it?")), salt="theirs")
    assert theirs.usage.cached_tokens == 0
    assert theirs.text() == first.text()


async def test_other_audio_of_the_same_length_is_not_taken_for_it(hearing: VllmEngine) -> None:
    await told(hearing, chat(audio(noise(10, level=0.3, seed=4))), salt="same")
    other = await told(hearing, chat(audio(noise(10, level=0.3, seed=5))), salt="same")
    assert other.usage.cached_tokens <= 32, "what stands before the audio, at most"


@pytest.mark.parametrize("stream", [False, True])
async def test_audio_that_can_not_be_read_is_the_requests_fault_and_its_part_is_named(hearing: VllmEngine, stream: bool) -> None:
    broken = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"no audio at all").decode(), "format": "wav"}}
    answer = await told(hearing, chat(audio(tone(1)), broken), stream=stream)
    assert answer.fault is not None
    assert (answer.fault.kind, answer.fault.param) == (FaultKind.INVALID_REQUEST, "messages.1.content.1.input_audio")
    assert answer.payloads == []
    assert hearing.unfinished_requests() == 0


async def test_more_parts_than_the_model_takes_are_the_requests_fault(hearing: VllmEngine) -> None:
    answer = await told(hearing, chat(*[audio(tone(1))] * 5))
    assert answer.fault is not None
    assert answer.fault.kind is FaultKind.INVALID_REQUEST
    assert "4" in answer.fault.message


async def test_a_replica_streams_the_answer_to_what_a_realtime_session_asks(hearing: VllmEngine) -> None:
    turn = StoredItem("item_1", "message", role="user", parts=[StoredPart("input_audio", audio=strawberries())])
    asked = chat_request(Asked(MODEL, "Be brief.", "session", model_hears=True, max_output_tokens=8), [turn])
    body = msgspec.json.decode(asked.engine_body(), type=dict[str, Any])
    replica = EngineReplica(settings(Path("/nowhere")), RelaySettings(), engine=hearing)
    items = [item async for item in replica.stream(make_request(body, model=MODEL, stream=True))]
    last = msgspec.msgpack.decode(items[-1], type=Frame)
    assert last.fault is None
    assert last.usage is not None
    assert last.usage.prompt_tokens > 75, "three seconds of audio"
