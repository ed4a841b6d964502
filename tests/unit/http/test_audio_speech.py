"""``POST /v1/audio/speech`` over a socket; the synthesizer is a fake that says a tone a word."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.errors import EngineFailed, Overloaded
from cluster.speech.audio.files import FileFormat, decode
from cluster.speech.audio.pcm import ms_of, samples_of
from tests.openai_schema import SchemaOracle
from tests.unit.http.conftest import Edge
from tests.unit.http.fake_speech import FakeSpeech
from tests.unit.speech.sounds import pitch_hz

pytestmark = pytest.mark.slow

PATH = "/v1/audio/speech"


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "tts-1", "input": "one two three", "voice": "alloy", **fields}


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


@pytest.mark.parametrize("kind", list(FileFormat))
async def test_each_format_is_a_whole_file_of_what_was_said(speaking: Edge, kind: FileFormat) -> None:
    answer = await speaking.post(PATH, asked(response_format=kind.value))
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind.media_type)
    pcm = answer.content if kind is FileFormat.PCM else decode(answer.content, max_s=10)
    # Codecs pad.
    assert 300 <= ms_of(samples_of(pcm)) <= 400
    assert pitch_hz(pcm, 24_000) == pytest.approx(440, abs=15)


async def test_mp3_is_the_default_and_speed_and_voice_reach_the_synthesizer(speaking: Edge, parts: FakeSpeech) -> None:
    answer = await speaking.post(PATH, asked(speed=2.0, voice={"id": "echo"}, instructions="Whisper.", response_format=None))
    assert answer.headers["content-type"] == "audio/mpeg"
    assert parts.synthesizer.spoken == [("one two three", "echo", 2.0)]


@pytest.mark.parametrize("model", ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "text-to-speech"])
async def test_openais_names_and_ours_stand_for_the_synthesizer(speaking: Edge, model: str) -> None:
    assert (await speaking.post(PATH, asked(model=model))).status_code == 200


async def test_audio_is_sent_before_the_rest_is_made(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.held = asyncio.Event()
    parts.synthesizer.held.set()
    body = asked(input="word " * 50, response_format="pcm")
    async with speaking.client.stream("POST", PATH, json=body, headers={"authorization": "Bearer sk-acme"}) as answer:
        pieces = answer.aiter_raw()
        first = await anext(pieces)
        parts.synthesizer.held.clear()
        assert 0 < len(first) < 48_000 * 5
        parts.synthesizer.held.set()
        rest = b"".join([piece async for piece in pieces])
    assert samples_of(first + rest) == 50 * 2400


async def test_events_carry_the_file_and_its_usage(speaking: Edge, parts: FakeSpeech) -> None:
    answer = await speaking.post(PATH, asked(stream_format="sse", response_format="wav"))
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events_of(answer.text)
    file = b"".join(base64.b64decode(event["audio"]) for event in deltas)
    assert ms_of(samples_of(decode(file, max_s=10))) == 300
    assert done == {"type": "speech.audio.done", "usage": {"input_tokens": 4, "output_tokens": 6, "total_tokens": 10}}
    oracle = SchemaOracle.load()
    for event in (*deltas, done):
        assert oracle.problems("CreateSpeechResponseStreamEvent", event) == []
    assert "[DONE]" not in answer.text


async def test_work_is_on_record_with_its_tokens(speaking: Edge, parts: FakeSpeech) -> None:
    await speaking.post(PATH, asked())
    [record] = parts.recorder.records
    assert (record.principal.org_id, record.model, record.edge, record.code) == ("org_acme", "text-to-speech", "http", "ok")
    assert record.exact is not None
    assert (record.exact.prompt_tokens, record.exact.completion_tokens) == (4, 6)
    assert parts.observer.spoken_s == pytest.approx(0.3)
    assert parts.observer.firsts == ["speech"]
    assert speaking.refusals == []


async def test_text_without_a_sound_is_an_empty_file(speaking: Edge, parts: FakeSpeech) -> None:
    answer = await speaking.post(PATH, asked(input=" ", response_format="wav"))
    assert (answer.status_code, len(answer.content)) == (200, 44)
    assert (await speaking.post(PATH, asked(input=" ", response_format="mp3"))).status_code == 200
    assert parts.observer.firsts == []


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"model": None}, 400, "model", "invalid_type"),
        ({"model": "tts-9"}, 404, "model", "model_not_found"),
        ({"model": "demo"}, 404, "model", "model_not_found"),
        ({"input": ""}, 400, "input", "empty_string"),
        ({"input": 7}, 400, "input", "invalid_type"),
        ({"input": "a" * 4097}, 400, "input", "string_above_max_length"),
        ({"input": "a\x00b"}, 400, None, "invalid_value"),
        ({"voice": "nobody"}, 400, "voice", "voice_not_found"),
        ({"voice": {"id": "voice_1234"}}, 400, "voice", "voice_not_found"),
        ({"voice": {"name": "echo"}}, 400, "voice.id", "missing_required_parameter"),
        ({"voice": ["echo"]}, 400, "voice", "invalid_type"),
        ({"instructions": "a" * 4097}, 400, "instructions", "string_above_max_length"),
        ({"response_format": "aac"}, 400, "response_format", "unsupported_value"),
        ({"response_format": "ogg"}, 400, "response_format", "invalid_value"),
        ({"speed": 0.2}, 400, "speed", "decimal_below_min_value"),
        ({"speed": 4.1}, 400, "speed", "decimal_above_max_value"),
        ({"speed": "1"}, 400, "speed", "invalid_type"),
        ({"stream_format": "chunks"}, 400, "stream_format", "invalid_value"),
        ({"language": "en"}, 400, "language", "unrecognized_request_argument"),
    ],
)
async def test_a_bad_field_is_named(
    speaking: Edge, parts: FakeSpeech, fields: dict[str, Any], status: int, param: str | None, code: str
) -> None:
    answer = await speaking.post(PATH, asked(**fields))
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code), error
    assert parts.recorder.in_progress == 0


@pytest.mark.parametrize("field", ["model", "input", "voice"])
async def test_a_missing_field_is_named(speaking: Edge, field: str) -> None:
    answer = await speaking.post(PATH, {name: value for name, value in asked().items() if name != field})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


async def test_a_failure_before_the_first_audio_has_its_status(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.error = Overloaded("No voice is free.", retry_after_s=2)
    for stream_format in ("audio", "sse"):
        answer = await speaking.post(PATH, asked(stream_format=stream_format))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert [record.code for record in parts.recorder.records] == ["overloaded"] * 2


async def test_a_failure_within_a_file_breaks_it_off(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.error, parts.synthesizer.words = EngineFailed("The voice broke."), 2
    with pytest.raises(httpx.RemoteProtocolError):
        await speaking.post(PATH, asked(response_format="pcm"))
    assert [record.code for record in parts.recorder.records] == ["engine_failed"]


async def test_a_failure_within_events_is_an_event(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.error, parts.synthesizer.words = EngineFailed("The voice broke."), 2
    answer = await speaking.post(PATH, asked(response_format="pcm", stream_format="sse"))
    assert events_of(answer.text)[-1]["error"]["code"] == "engine_failed"
    parts.synthesizer.error = RuntimeError("secret detail")
    answer = await speaking.post(PATH, asked(response_format="pcm", stream_format="sse"))
    assert events_of(answer.text)[-1]["error"]["code"] == "internal_error"
    assert "secret detail" not in answer.text


async def test_a_client_that_goes_away_stops_the_synthesizer(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.held = asyncio.Event()
    asking = asyncio.create_task(speaking.post(PATH, asked()))
    await parts.synthesizer.begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(5):
        await parts.recorder.written.wait()
    assert parts.synthesizer.closed == 1
    assert [record.code for record in parts.recorder.records] == ["cancelled"]
    assert parts.limit.in_progress("org_acme") == 0


async def test_it_counts_against_the_organizations_limit(parts: FakeSpeech) -> None:
    parts.limit = ConcurrencyLimit(1)
    parts.synthesizer.held = asyncio.Event()
    async with Edge(speech=parts.made()).served() as edge:
        first = asyncio.create_task(edge.post(PATH, asked()))
        await parts.synthesizer.begun.wait()
        refused = await edge.post(PATH, asked())
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
        other = asyncio.create_task(edge.post(PATH, asked(), key="sk-globex"))
        parts.synthesizer.held.set()
        assert ((await first).status_code, (await other).status_code) == (200, 200)
        assert (await edge.post(PATH, asked())).status_code == 200


async def test_speech_that_takes_too_long_ends(parts: FakeSpeech) -> None:
    parts.request_timeout_s = 0.05
    parts.synthesizer.held = asyncio.Event()
    async with Edge(speech=parts.made()).served() as edge:
        answer = await edge.post(PATH, asked())
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
    assert parts.synthesizer.closed == 1


async def test_a_synthesizer_without_voices_yet_is_told_of(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.voices = ()
    answer = await speaking.post(PATH, asked())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "speech_unavailable")


async def test_without_speech_there_is_no_such_url(edge: Edge) -> None:
    answer = await edge.post(PATH, asked())
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("sk-admin", 403)])
async def test_keys_of_organizations_alone_may_speak(speaking: Edge, key: str | None, status: int) -> None:
    assert (await speaking.post(PATH, asked(), key=key)).status_code == status
