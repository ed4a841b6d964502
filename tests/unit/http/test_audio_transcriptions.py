"""``POST /v1/audio/transcriptions`` over a socket; the recognizer is a fake that understands what it is told to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.speech import SpeechSettings
from cluster.errors import Overloaded
from cluster.speech.audio.files import FileFormat, encode
from tests.openai_schema import SchemaOracle
from tests.unit.http.conftest import Edge
from tests.unit.http.fake_speech import FakeSpeech
from tests.unit.http.test_audio_speech import events_of
from tests.unit.speech.sounds import silence, tone

pytestmark = pytest.mark.slow

PATH = "/v1/audio/transcriptions"
TWICE = tone(1.0) + silence(1.5) + tone(1.0) + silence(0.5)
"""Two utterances, 4 s."""
WAV = encode(TWICE, FileFormat.WAV)


async def ask(edge: Edge, file: bytes = WAV, *, name: str = "a.wav", key: str = "sk-acme", **fields: Any) -> Any:
    data = {"model": "whisper-1", **fields}
    return await edge.request("POST", PATH, key=key, data=data, files={"file": (name, file)})


@pytest.fixture
def parts() -> FakeSpeech:
    speech = FakeSpeech()
    speech.recognizer.texts = ["hello there", "general"]
    return speech


async def test_json(speaking: Edge) -> None:
    answer = await ask(speaking)
    assert answer.json() == {"text": "hello there general", "usage": {"type": "duration", "seconds": 4}}
    assert SchemaOracle.load().problems("CreateTranscriptionResponseJson", answer.json()) == []


async def test_verbose_json_with_words_and_segments(speaking: Edge) -> None:
    answer = await ask(speaking, **{"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]})
    body = answer.json()
    assert SchemaOracle.load().problems("CreateTranscriptionResponseVerboseJson", body) == []
    assert (body["language"], body["duration"], body["text"]) == ("english", 4.0, "hello there general")
    assert [word["word"] for word in body["words"]] == ["hello", "there", "general"]
    first, second = body["segments"]
    assert first["end"] < second["start"]
    assert second["start"] <= body["words"][2]["start"] < second["end"]


async def test_segments_alone_are_what_verbose_json_has_by_default(speaking: Edge) -> None:
    body = (await ask(speaking, response_format="verbose_json")).json()
    assert "segments" in body
    assert "words" not in body


@pytest.mark.parametrize(
    ("kind", "media_type", "begins"),
    [
        ("text", "text/plain", "hello there general\n"),
        ("srt", "text/plain", "1\n00:00:0"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:0"),
    ],
)
async def test_formats_in_writing(speaking: Edge, kind: str, media_type: str, begins: str) -> None:
    answer = await ask(speaking, response_format=kind)
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert answer.text.startswith(begins)
    assert answer.text.count("-->") == (0 if kind == "text" else 2)


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
async def test_a_stream_tells_each_segment_when_it_is_known(speaking: Edge, model: str) -> None:
    answer = await ask(speaking, stream="true", model=model)
    events = events_of(answer.text)
    assert [event["type"] for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert [event.get("delta") for event in events] == ["hello there", " general", None]
    assert events[-1]["text"] == "hello there general"
    assert events[-1]["usage"]["input_token_details"] == {"text_tokens": 0, "audio_tokens": 40}
    for event in events:
        assert SchemaOracle.load().problems("CreateTranscriptionResponseStreamEvent", event) == []


async def test_a_recording_without_a_word_is_an_empty_transcript(speaking: Edge, parts: FakeSpeech) -> None:
    assert (await ask(speaking, encode(silence(1), FileFormat.WAV))).json()["text"] == ""
    assert parts.recognizer.opened == []
    [done] = events_of((await ask(speaking, encode(silence(1), FileFormat.WAV), stream="true")).text)
    assert (done["type"], done["text"]) == ("transcript.text.done", "")


@pytest.mark.parametrize("kind", [FileFormat.WAV, FileFormat.FLAC, FileFormat.MP3, FileFormat.OPUS])
async def test_files_are_told_by_their_content_and_not_by_their_name(speaking: Edge, kind: FileFormat) -> None:
    answer = await ask(speaking, encode(TWICE, kind), name="../../picture.png\x7f")
    assert answer.json()["text"] == "hello there general"


async def test_language_prompt_and_keywords_reach_the_recognizer(speaking: Edge, parts: FakeSpeech) -> None:
    await ask(speaking, **{"language": "en-US", "prompt": "About fruit.", "keywords[]": ["plum"], "temperature": "0.2"})
    assert parts.recognizer.opened == [("en", "About fruit. plum")] * 2
    await ask(speaking, **{"languages[]": ["de", "en"]})
    assert parts.recognizer.opened[-1] == ("en", None)


@pytest.mark.parametrize(
    "strategy",
    [
        {"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "3000"},
        {"chunking_strategy": '{"type": "server_vad", "silence_duration_ms": 3000, "threshold": 0.5}'},
    ],
)
async def test_a_chunking_strategy_says_where_to_cut(speaking: Edge, parts: FakeSpeech, strategy: dict[str, str]) -> None:
    await ask(speaking, **strategy)
    assert len(parts.recognizer.opened) == 1
    await ask(speaking, chunking_strategy="auto")
    assert len(parts.recognizer.opened) == 3


async def test_work_is_on_record_with_its_tokens(speaking: Edge, parts: FakeSpeech) -> None:
    await ask(speaking)
    [record] = parts.recorder.records
    assert (record.principal.org_id, record.model, record.code) == ("org_acme", "speech-to-text", "ok")
    assert record.exact is not None
    assert (record.exact.prompt_tokens, record.exact.completion_tokens) == (40, 5)
    assert parts.observer.heard_s == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"model": "whisper-9"}, 404, "model", "model_not_found"),
        ({"model": "gpt-4o-transcribe-diarize"}, 400, "model", "unsupported_value"),
        ({"language": "xx"}, 400, "language", "unsupported_language"),
        ({"languages[]": ["de", "fr"]}, 400, "language", "unsupported_language"),
        ({"prompt": "a" * 4097}, 400, "prompt", "string_above_max_length"),
        ({"prompt": "a\0b"}, 400, "prompt", "invalid_value"),
        ({"response_format": "docx"}, 400, "response_format", "invalid_value"),
        ({"response_format": "diarized_json"}, 400, "response_format", "unsupported_value"),
        ({"temperature": "warm"}, 400, "temperature", "invalid_type"),
        ({"temperature": "1.5"}, 400, "temperature", "decimal_above_max_value"),
        ({"temperature": "nan"}, 400, "temperature", "invalid_type"),
        ({"stream": "maybe"}, 400, "stream", "invalid_type"),
        ({"stream": "true", "response_format": "srt"}, 400, "stream", "invalid_parameter_combination"),
        ({"include[]": ["logprobs"]}, 400, "include", "unsupported_value"),
        ({"include[]": ["tokens"]}, 400, "include.0", "invalid_value"),
        ({"timestamp_granularities[]": ["word"]}, 400, "timestamp_granularities", "invalid_parameter_combination"),
        (
            {"timestamp_granularities[]": ["line"], "response_format": "verbose_json"},
            400,
            "timestamp_granularities.0",
            "invalid_value",
        ),
        ({"chunking_strategy": "never"}, 400, "chunking_strategy", "invalid_value"),
        ({"chunking_strategy": "{"}, 400, "chunking_strategy", "invalid_value"),
        ({"chunking_strategy[type]": "client_vad"}, 400, "chunking_strategy.type", "invalid_value"),
        ({"chunking_strategy[threshold]": "0.5"}, 400, "chunking_strategy.type", "missing_required_parameter"),
        (
            {"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "2"},
            400,
            "chunking_strategy.threshold",
            "invalid_value",
        ),
        (
            {"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "-1"},
            400,
            "chunking_strategy.silence_duration_ms",
            "invalid_value",
        ),
        (
            {"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "0.5"},
            400,
            "chunking_strategy.silence_duration_ms",
            "invalid_type",
        ),
        ({"known_speaker_names[]": ["a"]}, 400, "known_speaker_names", "unsupported_parameter"),
        ({"voice": "alloy"}, 400, "voice", "unrecognized_request_argument"),
        ({"model[a]": "whisper-1"}, 400, "model[a]", "unrecognized_request_argument"),
        ({"prompt": ["a", "b"]}, 400, "prompt", "duplicate_key"),
    ],
)
async def test_a_bad_field_is_named(
    speaking: Edge, parts: FakeSpeech, fields: dict[str, Any], status: int, param: str, code: str
) -> None:
    answer = await ask(speaking, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code), error
    assert parts.recognizer.opened == []


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (b"", "unsupported_format"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "unsupported_format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "unsupported_format"),
        (WAV[:60][:20] + b"\xff" * 24, "unsupported_format"),
    ],
)
async def test_a_file_that_is_no_audio_is_refused(speaking: Edge, parts: FakeSpeech, file: bytes, code: str) -> None:
    answer = await ask(speaking, file)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "file", code)
    assert parts.recorder.in_progress == 0


async def test_a_file_is_needed_once_and_as_a_file(speaking: Edge) -> None:
    missing = await speaking.request("POST", PATH, files={"model": (None, "whisper-1")})
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "file")
    as_text = await speaking.request("POST", PATH, files={"model": (None, "whisper-1"), "file": (None, "a.wav")})
    assert (as_text.status_code, as_text.json()["error"]["param"]) == (400, "file")
    twice = await speaking.request("POST", PATH, data={"model": "whisper-1"}, files=[("file", ("a", WAV)), ("file", ("b", WAV))])
    assert (twice.status_code, twice.json()["error"]["param"]) == (400, "file")
    other = await speaking.request("POST", PATH, data={"model": "whisper-1"}, files=[("file", ("a", WAV)), ("image", ("b", WAV))])
    assert (other.status_code, other.json()["error"]["param"]) == (400, "image")
    unnamed = await speaking.request("POST", PATH, files={"file": ("a", WAV)})
    assert (unnamed.status_code, unnamed.json()["error"]["param"]) == (400, "model")


async def test_bounds_of_files(parts: FakeSpeech) -> None:
    parts.settings = SpeechSettings(max_file_bytes=100_000, max_file_s=2.0, worker_wait_s=0.1)
    async with Edge(speech=parts.made()).served() as edge:
        large = await ask(edge, bytes(100_001))
        assert (large.status_code, large.json()["error"]["param"]) == (413, "file")
        # Its length says so before any of it is here.
        larger = await ask(edge, bytes(1_000_000))
        assert larger.status_code == 413
        long = await ask(edge, encode(silence(3), FileFormat.OPUS))
        error = long.json()["error"]
        assert (long.status_code, error["param"], error["code"]) == (400, "file", "audio_too_long")


async def test_a_recognizer_that_fails_is_told_of_in_place(speaking: Edge, parts: FakeSpeech) -> None:
    parts.recognizer.error = Overloaded("No decoder is free.", retry_after_s=3)
    assert (await ask(speaking)).status_code == 503
    assert (await ask(speaking, stream="true")).status_code == 503
    assert [record.code for record in parts.recorder.records] == ["overloaded"] * 2
    assert parts.recognizer.closed == 2


async def test_a_client_that_goes_away_frees_its_decoder(speaking: Edge, parts: FakeSpeech) -> None:
    parts.recognizer.held = asyncio.Event()
    asking = asyncio.create_task(ask(speaking))
    await parts.recognizer.begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(5):
        await parts.recorder.written.wait()
    assert parts.recognizer.closed == 1
    assert parts.recorder.records[0].code == "cancelled"
    assert parts.limit.in_progress("org_acme") == 0


async def test_recordings_wait_for_a_place_and_not_for_ever(parts: FakeSpeech) -> None:
    parts.settings = SpeechSettings(max_recordings=1, max_recordings_per_organization=2, worker_wait_s=0.2)
    parts.recognizer.held = asyncio.Event()
    async with Edge(speech=parts.made()).served() as edge:
        first = asyncio.create_task(ask(edge))
        await parts.recognizer.begun.wait()
        refused = await ask(edge, key="sk-globex")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert "retry-after" in refused.headers
        second = asyncio.create_task(ask(edge))
        await asyncio.sleep(0.05)
        third = await ask(edge)
        assert (third.status_code, third.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
        parts.recognizer.held.set()
        assert (await first).status_code == 200
        assert (await second).status_code == 200


async def test_it_counts_against_the_organizations_limit(parts: FakeSpeech) -> None:
    parts.limit = ConcurrencyLimit(1)
    async with Edge(speech=parts.made()).served() as edge:
        with parts.limit.acquire("org_acme"):
            refused = await ask(edge)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
            assert (await ask(edge, key="sk-globex")).status_code == 200
        assert (await ask(edge)).status_code == 200


async def test_translations_are_refused_by_name(speaking: Edge) -> None:
    answer = await speaking.request("POST", "/v1/audio/translations", data={"model": "whisper-1"}, files={"file": ("a", WAV)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_endpoint")
    assert "/v1/audio/transcriptions" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"{}", 415, "unsupported_content_type"),
        ("multipart/form-data", b"--a--\r\n", 400, "invalid_form"),
        ("multipart/form-data; boundary=" + "a" * 300, b"", 400, "invalid_form"),
        ("multipart/form-data; boundary=a", b"", 400, "invalid_form"),
        ("multipart/form-data; boundary=a", b"nothing like it", 400, "invalid_form"),
        ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data\r\n\r\nx\r\n--a--\r\n", 400, "invalid_form"),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1',
            400,
            "invalid_form",
        ),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\xff\xfe\r\n--a--\r\n',
            400,
            "invalid_value",
        ),
        (
            "multipart/form-data; boundary=a",
            b"".join(b'--a\r\nContent-Disposition: form-data; name="keywords[]"\r\n\r\nx\r\n' for _ in range(600)) + b"--a--\r\n",
            413,
            "request_too_large",
        ),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + b"x" * 140_000 + b"\r\n--a--\r\n",
            413,
            "request_too_large",
        ),
    ],
)
async def test_a_malformed_form_is_refused(speaking: Edge, content_type: str, body: bytes, status: int, code: str) -> None:
    answer = await speaking.request("POST", PATH, content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert json.loads(answer.text)["error"]["type"] == "invalid_request_error"
