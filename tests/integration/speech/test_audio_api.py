"""Speech over HTTP as OpenAI's own client uses it: a real socket, flite, Silero and PocketSphinx; the model is an echo."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from openai import AsyncOpenAI

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.speech import SpeechSettings
from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.inference.service import Call, Completion, CompletionStream
from cluster.speech.audio.files import FileFormat, decode, encode
from cluster.speech.audio.pcm import ms_of, samples_of
from cluster.speech.flite.synthesizer import FliteSynthesizer
from cluster.speech.silero.model import SileroModel, SileroVad
from cluster.speech.sphinx.recognizer import SphinxRecognizer
from cluster.spoken.audio_ids import AudioIds
from cluster.spoken.speech import Speech
from tests.openai_schema import SchemaOracle
from tests.unit.fake_inference import FakeInference, FakeStream, chat_body, chat_chunk, usage_chunk
from tests.unit.http.conftest import Edge
from tests.unit.http.fake_speech import SECRET, CountingObserver, RecordingRecorder
from tests.unit.http.fakes import ACME, CARDS
from tests.unit.speech.sounds import STRAWBERRIES, silence, strawberries

pytestmark = pytest.mark.integration

SENTENCE = "We would like to buy some apples and some pears for our garden."


class FakeEcho(FakeInference):
    """Answers with what was said last, word by word where it streams."""

    async def complete(self, principal: Principal, request: GenerationRequest, call: Call) -> Completion:
        self.answer = chat_body(_last(request))
        return await super().complete(principal, request, call)

    async def stream(self, principal: Principal, request: GenerationRequest, call: Call) -> CompletionStream:
        pieces = re.findall(r"\S+\s*", _last(request))
        batches = [[chat_chunk(piece)] for piece in pieces]
        end = [chat_chunk(finish_reason="stop"), *([usage_chunk()] if request.include_usage else [])]
        self.answer_stream = FakeStream([[chat_chunk("", role="assistant")], *batches, end])
        return await super().stream(principal, request, call)


def _last(request: GenerationRequest) -> str:
    content: str = json.loads(request.engine_body())["messages"][-1]["content"]
    return content


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.lower()))


def understood(heard: str, said: str, share: float = 0.7) -> bool:
    """Whether most words came through; the embedded recognizer gets some of a synthetic voice's wrong."""
    return len(words(heard) & words(said)) >= share * len(words(said))


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    recognizer, synthesizer, network = SphinxRecognizer(workers=1), FliteSynthesizer(workers=1), SileroModel()
    async with AsyncExitStack() as stack:
        for part in (recognizer, synthesizer):
            await part.start()
            stack.push_async_callback(part.stop)
        speech = Speech(
            recognizer=recognizer,
            synthesizer=synthesizer,
            vad=lambda: SileroVad(network),
            settings=SpeechSettings(),
            limit=ConcurrencyLimit(8),
            recorder=RecordingRecorder(),
            observer=CountingObserver(),
            audio_ids=AudioIds.of(SECRET),
        )
        yield await stack.enter_async_context(Edge(inference=FakeEcho({ACME: CARDS}), speech=speech).served())


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[AsyncOpenAI]:
    strict = AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="sk-acme", max_retries=0, timeout=60, _strict_response_validation=True)
    async with strict:
        yield strict


async def test_speech_of_every_format_is_understood_again(client: AsyncOpenAI) -> None:
    for kind in ("wav", "mp3", "opus", "flac", "pcm"):
        answer = await client.audio.speech.create(model="tts-1", voice="echo", input=SENTENCE, response_format=kind)
        assert answer.response.headers["content-type"] == FileFormat(kind).media_type
        file = encode(answer.content, FileFormat.WAV) if kind == "pcm" else answer.content
        heard = await client.audio.transcriptions.create(model="whisper-1", file=(f"speech.{kind}", file))
        assert understood(heard.text, SENTENCE), (kind, heard.text)


async def test_speech_is_streamed_as_it_is_spoken(client: AsyncOpenAI) -> None:
    text = f"{SENTENCE} " * 12
    async with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input=text, response_format="pcm"
    ) as answer:
        sizes = [len(piece) async for piece in answer.iter_bytes()]
    assert len(sizes) > 5
    assert sum(sizes) > 48_000 * 20
    assert sizes[0] < sum(sizes) / 4


async def test_a_recording_in_every_form(client: AsyncOpenAI) -> None:
    recording = ("s.flac", encode(silence(0.5) + strawberries() + silence(1.0) + strawberries(), FileFormat.FLAC))
    create: Any = client.audio.transcriptions.create
    plain = await create(model="gpt-4o-transcribe", file=recording, language="en", prompt="fruit", temperature=0)
    assert understood(plain.text, STRAWBERRIES)
    verbose = await create(
        model="whisper-1", file=recording, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert verbose.duration == pytest.approx(7.59, abs=0.1)
    assert len(verbose.segments) == 2
    assert 3.5 < verbose.segments[1].start < 5
    assert words(" ".join(word.word for word in verbose.words)) == words(verbose.text)
    assert [word.start for word in verbose.words] == sorted(word.start for word in verbose.words)
    once = ("s.opus", encode(strawberries(), FileFormat.OPUS))
    for kind in ("text", "srt", "vtt"):
        text = await create(model="whisper-1", file=once, response_format=kind)
        assert understood(text, STRAWBERRIES)
        assert text.count(" --> ") == (0 if kind == "text" else 1)


async def test_a_recording_is_streamed_segment_by_segment(client: AsyncOpenAI) -> None:
    recording = ("s.mp3", encode(strawberries() + silence(1.0) + strawberries(), FileFormat.MP3))
    stream = await client.audio.transcriptions.create(
        model="gpt-4o-mini-transcribe",
        file=recording,
        stream=True,
        chunking_strategy={"type": "server_vad", "silence_duration_ms": 300},
    )
    events: list[Any] = [event async for event in stream]
    *deltas, done = events
    assert len(deltas) == 2
    assert "".join(delta.delta for delta in deltas) == done.text
    assert understood(done.text, STRAWBERRIES)
    # 7.09 s, and what the codec padded it with.
    assert 71 <= done.usage.input_tokens <= 73


@pytest.mark.parametrize("kind", ["wav", "mp3"])
async def test_a_chat_is_heard_and_answered_aloud(client: AsyncOpenAI, edge: Edge, kind: str) -> None:
    said = base64.b64encode(encode(strawberries(), FileFormat(kind))).decode()
    message: Any = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": said, "format": kind}}]}
    audio: Any = {"voice": "ash", "format": kind}
    answer = await client.chat.completions.create(model="demo", messages=[message], modalities=["text", "audio"], audio=audio)
    spoken = answer.choices[0].message
    assert spoken.audio is not None
    assert spoken.content is None
    assert understood(spoken.audio.transcript, STRAWBERRIES)
    assert SchemaOracle.load().problems("CreateChatCompletionResponse", answer.model_dump(exclude_unset=True)) == []
    pcm = decode(base64.b64decode(spoken.audio.data), max_s=30)
    heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", encode(pcm, FileFormat.WAV)))
    assert understood(heard.text, spoken.audio.transcript, 0.5), heard.text
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.completion_tokens_details is not None
    # 3.04 s; MP3 pads.
    assert 31 <= answer.usage.prompt_tokens_details.audio_tokens <= 32
    assert abs(answer.usage.completion_tokens_details.audio_tokens - ms_of(samples_of(pcm)) / 50) <= 3
    # The client's own object, and its id alone, both stand for what was said.
    again: list[Any] = [
        message,
        spoken,
        {"role": "assistant", "audio": {"id": spoken.audio.id}},
        {"role": "user", "content": "So?"},
    ]
    await client.chat.completions.create(model="demo", messages=again)
    sent = json.loads(edge.inference.asked[-1][1].engine_body())["messages"]
    assert [entry["content"] for entry in sent[1:3]] == [spoken.audio.transcript] * 2
    assert understood(sent[0]["content"], STRAWBERRIES)


async def test_a_chat_is_answered_aloud_while_it_is_written(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": f"{SENTENCE} And that is all we need today, thank you very much."}],
        modalities=["text", "audio"],
        audio={"voice": "echo", "format": "pcm16"},
        stream=True,
        stream_options={"include_usage": True},
    )
    pcm, transcript, audio_id, usage = b"", "", None, None
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            if choice.delta.audio is not None:
                pcm += base64.b64decode(choice.delta.audio.data or "")
                transcript += choice.delta.audio.transcript or ""
                audio_id = choice.delta.audio.id or audio_id
    assert transcript.startswith(SENTENCE)
    assert audio_id is not None
    heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", encode(pcm, FileFormat.WAV)))
    assert understood(heard.text, transcript, 0.6), heard.text
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.audio_tokens == -(-ms_of(samples_of(pcm)) // 50)
