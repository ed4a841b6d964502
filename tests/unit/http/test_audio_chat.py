"""Chats with audio in and out, over a socket; model, recognizer and synthesizer are fakes."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import pytest

from cluster.config.settings.speech import SpeechSettings
from cluster.errors import EngineFailed, Overloaded
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.speech.audio.files import FileFormat, decode, encode
from cluster.speech.audio.pcm import ms_of, samples_of
from tests.openai_schema import SchemaOracle
from tests.unit.fake_inference import USAGE, FakeStream, chat_body, chat_chunk, usage_chunk
from tests.unit.http.conftest import Edge
from tests.unit.http.fake_speech import FakeSpeech
from tests.unit.requests.samples import CALL, WEATHER, chat
from tests.unit.speech.sounds import silence, tone

pytestmark = pytest.mark.slow

PATH = "/v1/chat/completions"
SPOKEN: dict[str, Any] = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
STREAMED: dict[str, Any] = {
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "pcm16"},
    "stream": True,
    "stream_options": {"include_usage": True},
}
RECORDING = encode(tone(1.0) + silence(1.0), FileFormat.WAV)


def said(file: bytes = RECORDING, kind: str = "wav") -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(file).decode(), "format": kind}}


def user(*parts: object) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def chunks_of(answer: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in answer.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def sent(edge: Edge, at: int = -1) -> list[dict[str, Any]]:
    """The messages that the model got."""
    messages: list[dict[str, Any]] = json.loads(edge.inference.asked[at][1].engine_body())["messages"]
    return messages


def audio_of(chunks: list[dict[str, Any]], name: str) -> list[Any]:
    audios = [chunk["choices"][0]["delta"].get("audio", {}) for chunk in chunks if chunk["choices"]]
    return [audio[name] for audio in audios if name in audio]


# --- in -------------------------------------------------------------------------------------------------------------------


async def test_audio_reaches_the_model_as_its_words(speaking: Edge, parts: FakeSpeech) -> None:
    answer = await speaking.post(PATH, chat(user(text("What is this?"), said())))
    assert answer.status_code == 200
    assert sent(speaking) == [user(text("What is this?"), text("hello there"))]
    usage = answer.json()["usage"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 1920, "audio_tokens": 20}
    assert (usage["prompt_tokens"], usage["total_tokens"]) == (USAGE.prompt_tokens + 20, USAGE.total_tokens + 20)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    [record] = parts.recorder.records
    assert (record.model, record.code, record.principal.org_id) == ("speech-to-text", "ok", "org_acme")
    assert parts.observer.heard_s == pytest.approx(2.0)


async def test_a_lone_recording_is_a_lone_text(speaking: Edge) -> None:
    await speaking.post(PATH, chat(user(said())))
    assert sent(speaking) == [{"role": "user", "content": "hello there"}]


async def test_audio_without_words_says_so(speaking: Edge, parts: FakeSpeech) -> None:
    parts.recognizer.texts = [""]
    await speaking.post(PATH, chat(user(said())))
    assert sent(speaking) == [{"role": "user", "content": "[inaudible]"}]


async def test_the_same_recording_is_recognized_once_for_each_organization(speaking: Edge, parts: FakeSpeech) -> None:
    parts.recognizer.texts = ["first", "second", "third"]
    for _ in range(2):
        await speaking.post(PATH, chat(user(said()), {"role": "assistant", "content": "Yes."}, user(said(), said())))
        assert [message["content"] for message in sent(speaking)] == ["first", "Yes.", [text("first"), text("first")]]
    assert len(parts.recognizer.opened) == 1
    await speaking.post(PATH, chat(user(said())), key="sk-globex")
    assert sent(speaking)[0]["content"] == "second"
    assert [record.principal.org_id for record in parts.recorder.records] == ["org_acme", "org_globex"]


async def test_what_is_remembered_is_bounded(parts: FakeSpeech) -> None:
    parts.settings = SpeechSettings(remembered_recordings=1, worker_wait_s=0.1)
    async with Edge(speech=parts.made()).served() as edge:
        for seconds in (1.0, 1.2, 1.0):
            await edge.post(PATH, chat(user(said(encode(tone(seconds), FileFormat.WAV)))))
    assert len(parts.recognizer.opened) == 3


async def test_a_model_that_hears_gets_the_audio_itself(parts: FakeSpeech) -> None:
    parts.hearing_models = ("demo",)
    async with Edge(speech=parts.made()).served() as edge:
        answer = await edge.post(PATH, chat(user(said())))
        assert sent(edge) == [user(said())]
    assert parts.recognizer.opened == []
    assert answer.json()["usage"]["prompt_tokens_details"]["audio_tokens"] == 0


async def test_a_stream_in_writing_after_audio_tells_its_usage(speaking: Edge) -> None:
    speaking.inference.answer_stream = FakeStream([[chat_chunk("Hi")], [chat_chunk(finish_reason="stop"), usage_chunk()]])
    answer = await speaking.post(PATH, chat(user(said()), stream=True, stream_options={"include_usage": True}))
    *chunks, last = chunks_of(answer.text)
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["Hi", None]
    assert last["usage"]["prompt_tokens_details"]["audio_tokens"] == 20
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("part", "param", "code"),
    [
        (said(b"no audio at all"), "messages.1.content.0.input_audio.data", "unsupported_format"),
        (
            {"type": "input_audio", "input_audio": {"data": "?!", "format": "wav"}},
            "messages.1.content.0.input_audio.data",
            "invalid_value",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
            "messages.1.content.0.input_audio.data",
            "empty_string",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "aa"}},
            "messages.1.content.0.input_audio.format",
            "missing_required_parameter",
        ),
        (said(kind="ogg"), "messages.1.content.0.input_audio.format", "invalid_value"),
        ({"type": "input_audio"}, "messages.1.content.0.input_audio", "missing_required_parameter"),
    ],
)
async def test_a_bad_part_is_named(speaking: Edge, parts: FakeSpeech, part: dict[str, Any], param: str, code: str) -> None:
    answer = await speaking.post(PATH, chat({"role": "system", "content": "s"}, user(part)))
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code), error
    assert speaking.inference.asked == []
    assert parts.recorder.in_progress == 0


async def test_audio_of_a_request_is_bounded_in_all(parts: FakeSpeech) -> None:
    parts.settings = SpeechSettings(max_file_s=3.0, worker_wait_s=0.1)
    async with Edge(speech=parts.made()).served() as edge:
        answer = await edge.post(PATH, chat(user(said(), said(encode(tone(2.0), FileFormat.WAV)))))
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("audio_too_long", "messages.0.content.1.input_audio.data")
    assert "3 s in all" in error["message"]


async def test_a_model_that_does_not_exist_is_told_of_before_anything_is_recognized(speaking: Edge, parts: FakeSpeech) -> None:
    answer = await speaking.post(PATH, {**chat(user(said())), "model": "nothing"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert parts.recognizer.opened == []


async def test_a_recognizer_that_fails_fails_the_request_and_is_asked_again(speaking: Edge, parts: FakeSpeech) -> None:
    parts.recognizer.error = Overloaded("No decoder is free.")
    assert (await speaking.post(PATH, chat(user(said())))).status_code == 503
    parts.recognizer.error = None
    assert (await speaking.post(PATH, chat(user(said())))).status_code == 200


# --- out ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "opus", "pcm16"])
async def test_an_answer_is_spoken(speaking: Edge, parts: FakeSpeech, kind: str) -> None:
    speaking.inference.answer = chat_body("One two. Three four five.")
    answer = await speaking.post(PATH, chat(**{**SPOKEN, "audio": {"voice": "echo", "format": kind}}))
    body = answer.json()
    assert SchemaOracle.load().problems("CreateChatCompletionResponse", body) == []
    message = body["choices"][0]["message"]
    assert message["content"] is None
    audio = message["audio"]
    assert audio["transcript"] == "One two. Three four five."
    assert time.time() + 3500 < audio["expires_at"] <= time.time() + 3600
    file = base64.b64decode(audio["data"])
    pcm = file if kind == "pcm16" else decode(file, max_s=10)
    assert 500 <= ms_of(samples_of(pcm)) <= 600
    assert {voice for _, voice, _ in parts.synthesizer.spoken} == {"echo"}
    usage = body["usage"]
    assert usage["completion_tokens_details"]["audio_tokens"] == 10
    assert usage["completion_tokens"] == USAGE.completion_tokens + 10
    assert "modalities" not in json.loads(speaking.inference.asked[0][1].engine_body())
    [record] = parts.recorder.records
    assert (record.model, record.code) == ("text-to-speech", "ok")


async def test_a_call_of_a_tool_has_no_sound(speaking: Edge, parts: FakeSpeech) -> None:
    speaking.inference.answer = chat_body(None, tool_calls=[CALL])
    body = (await speaking.post(PATH, chat(tools=[WEATHER], **SPOKEN))).json()
    assert "audio" not in body["choices"][0]["message"]
    call = [{"index": 0, **CALL}]
    speaking.inference.answer_stream = FakeStream(
        [[chat_chunk(tool_calls=call)], [chat_chunk(finish_reason="tool_calls"), usage_chunk()]]
    )
    chunks = chunks_of((await speaking.post(PATH, chat(tools=[WEATHER], **STREAMED))).text)
    assert chunks[0]["choices"][0]["delta"]["tool_calls"] == call
    assert chunks[1]["choices"][0]["finish_reason"] == "tool_calls"
    assert parts.synthesizer.spoken == []
    assert parts.recorder.records == []


async def test_an_answer_too_long_to_be_spoken_ends_between_clauses(parts: FakeSpeech) -> None:
    parts.settings = SpeechSettings(max_answer_chars=40, worker_wait_s=0.1)
    async with Edge(speech=parts.made()).served() as edge:
        edge.inference.answer = chat_body("This is the first sentence. This is the second. And this the last.")
        choice = (await edge.post(PATH, chat(**SPOKEN))).json()["choices"][0]
    assert choice["message"]["audio"]["transcript"] == "This is the first sentence. "
    assert choice["finish_reason"] == "length"


async def test_a_stream_is_spoken_while_the_model_still_writes(speaking: Edge, parts: FakeSpeech) -> None:
    released = asyncio.Event()

    class Held(FakeStream):
        async def __aiter__(self) -> Any:
            yield [chat_chunk("", role="assistant"), chat_chunk("This is one sentence. And ")]
            await released.wait()
            yield [chat_chunk("two."), chat_chunk(finish_reason="stop"), usage_chunk()]

    speaking.inference.answer_stream = Held([])
    async with speaking.client.stream("POST", PATH, json=chat(**STREAMED), headers={"authorization": "Bearer sk-acme"}) as answer:
        lines = answer.aiter_lines()
        got: list[str] = []
        async with asyncio.timeout(10):
            async for line in lines:
                got.append(line)
                if '"data"' in line:
                    released.set()
                    break
            got += [line async for line in lines]
    chunks = chunks_of("\n".join(got))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant"}
    assert "".join(audio_of(chunks, "transcript")) == "This is one sentence. And two."
    pcm = b"".join(base64.b64decode(data) for data in audio_of(chunks, "data"))
    assert ms_of(samples_of(pcm)) == 600
    kinds = [next(iter(chunk["choices"][0]["delta"].get("audio") or {"-": 0}), "") for chunk in chunks if chunk["choices"]]
    assert kinds.index("data") < len(kinds) - 1 - kinds[::-1].index("transcript"), "audio came between two transcripts"
    last, finish, usage = chunks[-3:]
    assert set(last["choices"][0]["delta"]["audio"]) == {"id", "expires_at"}
    assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "stop")
    assert usage["usage"]["completion_tokens_details"]["audio_tokens"] == 12
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-2])
    for chunk in chunks:
        assert SchemaOracle.load().problems("CreateChatCompletionStreamResponse", chunk) == []
    assert not any("content" in chunk["choices"][0]["delta"] for chunk in chunks[:-1])
    assert parts.observer.firsts == ["chat"]
    assert [record.code for record in parts.recorder.records] == ["ok"]


async def test_a_voice_that_breaks_ends_the_stream_with_an_error(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.error = EngineFailed("The voice broke.")
    speaking.inference.answer_stream = FakeStream([[chat_chunk("Hello there. And more. ")]], hangs=True)
    answer = await speaking.post(PATH, chat(**STREAMED))
    assert chunks_of(answer.text)[-1]["error"]["code"] == "engine_failed"
    assert "[DONE]" not in answer.text
    assert speaking.inference.answer_stream.closed.is_set()
    assert [record.code for record in parts.recorder.records] == ["engine_failed"]


async def test_a_model_that_breaks_ends_the_voice(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.held = asyncio.Event()
    speaking.inference.answer_stream = FakeStream([[chat_chunk("Hello there. And ")]], error=EngineFailed("The engine broke."))
    answer = await speaking.post(PATH, chat(**STREAMED))
    assert chunks_of(answer.text)[-1]["error"]["message"] == "The engine broke."
    assert parts.synthesizer.closed == len(parts.synthesizer.spoken)
    assert parts.recorder.in_progress == 0


async def test_a_client_that_goes_away_ends_model_and_voice(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.held = asyncio.Event()
    speaking.inference.answer_stream = FakeStream([[chat_chunk("Hello there. And ")]], hangs=True)
    asking = asyncio.create_task(speaking.post(PATH, chat(**STREAMED)))
    await parts.synthesizer.begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(5):
        await speaking.inference.answer_stream.closed.wait()
    assert parts.synthesizer.closed == 1
    assert [record.code for record in parts.recorder.records] == ["cancelled"]


async def test_a_client_that_does_not_read_holds_the_model_back(speaking: Edge) -> None:
    speaking.inference.answer_stream = FakeStream([[chat_chunk("word " * 20 + ". ")]], repeat=True, pause_s=0.0005)
    body = chat(**STREAMED)
    async with speaking.client.stream("POST", PATH, json=body, headers={"authorization": "Bearer sk-acme"}) as answer:
        assert answer.status_code == 200
        given = -1
        async with asyncio.timeout(20):
            while given != speaking.inference.answer_stream.given:
                given = speaking.inference.answer_stream.given
                await asyncio.sleep(0.3)
    async with asyncio.timeout(5):
        await speaking.inference.answer_stream.closed.wait()


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"modalities": ["audio"]}, "audio", "missing_required_parameter"),
        ({"audio": SPOKEN["audio"]}, "audio", "invalid_parameter_combination"),
        ({"audio": SPOKEN["audio"], "modalities": ["text"]}, "audio", "invalid_parameter_combination"),
        ({**SPOKEN, "modalities": ["text", "smell"]}, "modalities.1", "invalid_value"),
        ({**SPOKEN, "audio": {"voice": "alloy"}}, "audio.format", "missing_required_parameter"),
        ({**SPOKEN, "audio": {"format": "wav"}}, "audio.voice", "missing_required_parameter"),
        ({**SPOKEN, "audio": {"voice": "nobody", "format": "wav"}}, "audio.voice", "voice_not_found"),
        ({**SPOKEN, "audio": {"voice": 1, "format": "wav"}}, "audio.voice", "invalid_type"),
        ({**SPOKEN, "audio": {"voice": "alloy", "format": "aac"}}, "audio.format", "unsupported_value"),
        ({**SPOKEN, "audio": {"voice": "alloy", "format": "ogg"}}, "audio.format", "invalid_value"),
        ({**SPOKEN, "audio": {"voice": "alloy", "format": "wav", "speed": 2}}, "audio.speed", "unknown_parameter"),
        ({**SPOKEN, "audio": "alloy"}, "audio", "invalid_type"),
        ({**STREAMED, "audio": {"voice": "alloy", "format": "mp3"}}, "audio.format", "unsupported_value"),
        ({**SPOKEN, "n": 2}, "n", "invalid_parameter_combination"),
        ({**SPOKEN, "temperature": 7}, "temperature", "decimal_above_max_value"),
        ({**SPOKEN, "top_logprobs": 2}, "top_logprobs", "invalid_parameter_combination"),
        ({**SPOKEN, "web_search_options": {}}, "web_search_options", "unsupported_parameter"),
    ],
)
async def test_a_bad_field_is_named(speaking: Edge, fields: dict[str, Any], param: str, code: str) -> None:
    answer = await speaking.post(PATH, chat(**fields))
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code), error
    assert speaking.inference.asked == []


async def test_without_a_synthesizer_answers_are_in_writing(speaking: Edge, parts: FakeSpeech) -> None:
    parts.synthesizer.voices = ()
    refused = await speaking.post(PATH, chat(**SPOKEN))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "speech_unavailable")
    assert (await speaking.post(PATH, chat())).status_code == 200


async def test_without_speech_audio_is_refused(edge: Edge) -> None:
    for fields, param in [({"modalities": ["text", "audio"]}, "modalities"), ({"audio": SPOKEN["audio"]}, "audio")]:
        answer = await edge.post(PATH, chat(**fields))
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert (await edge.post(PATH, chat(user(said())))).json()["error"]["param"] == "messages.0.content.0.type"
    earlier = {"role": "assistant", "audio": {"id": "audio_x"}}
    assert (await edge.post(PATH, chat(earlier))).json()["error"]["param"] == "messages.0.audio"


async def test_spoken_chats_of_one_organization_are_bounded(parts: FakeSpeech) -> None:
    parts.settings = SpeechSettings(max_spoken_chats_per_organization=1, worker_wait_s=0.1)
    parts.synthesizer.held = asyncio.Event()
    async with Edge(speech=parts.made()).served() as edge:
        first = asyncio.create_task(edge.post(PATH, chat(**SPOKEN)))
        await parts.synthesizer.begun.wait()
        refused = await edge.post(PATH, chat(**STREAMED))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
        assert (await edge.post(PATH, chat())).status_code == 200
        parts.synthesizer.held.set()
        assert (await first).status_code == 200
        assert (await edge.post(PATH, chat(**STREAMED))).status_code == 200
        assert (await edge.post(PATH, chat(**SPOKEN))).status_code == 200, "the stream has given its place back"


# --- earlier answers ------------------------------------------------------------------------------------------------------


async def earlier_id(edge: Edge, **arguments: Any) -> str:
    audio_id: str = (await edge.post(PATH, chat(**SPOKEN), **arguments)).json()["choices"][0]["message"]["audio"]["id"]
    return audio_id


async def test_an_earlier_answer_is_known_by_its_id(speaking: Edge) -> None:
    audio_id = await earlier_id(speaking)
    await speaking.post(PATH, chat({"role": "assistant", "audio": {"id": audio_id}}, user(text("Again."))))
    assert sent(speaking)[0] == {"role": "assistant", "content": "Hello."}


async def test_an_answer_of_a_stream_is_known_by_its_id(speaking: Edge) -> None:
    speaking.inference.answer_stream = FakeStream([[chat_chunk("Grüße, "), chat_chunk("Welt.")]])
    [audio_id] = audio_of(chunks_of((await speaking.post(PATH, chat(**STREAMED))).text), "id")
    await speaking.post(PATH, chat({"role": "assistant", "content": None, "audio": {"id": audio_id}}, user(text("Again."))))
    assert sent(speaking)[0]["content"] == "Grüße, Welt."


async def test_an_answer_can_be_appended_as_it_is(speaking: Edge) -> None:
    message = (await speaking.post(PATH, chat(**SPOKEN))).json()["choices"][0]["message"]
    await speaking.post(PATH, chat(message, user(text("Again."))))
    assert sent(speaking)[0] == {"role": "assistant", "content": "Hello."}
    # With its transcript at hand the id may be anything.
    message["audio"]["id"] = "audio_gone"
    await speaking.post(PATH, chat(message, user(text("Again."))))
    assert sent(speaking)[0] == {"role": "assistant", "content": "Hello."}


async def test_another_organization_cannot_read_an_answer(speaking: Edge) -> None:
    audio_id = await earlier_id(speaking)
    stolen = await speaking.post(PATH, chat({"role": "assistant", "audio": {"id": audio_id}}), key="sk-globex")
    made_up = await speaking.post(PATH, chat({"role": "assistant", "audio": {"id": "audio_made_up"}}), key="sk-globex")
    assert stolen.status_code == 400
    assert stolen.json() == made_up.json(), "the two are not told apart"
    assert stolen.json()["error"]["param"] == "messages.0.audio.id"


@pytest.mark.parametrize(
    "change", [lambda text: text[:-2], lambda text: text + "A", lambda text: "", lambda text: "audio_", str.upper]
)
async def test_an_id_that_was_changed_stands_for_nothing(speaking: Edge, change: Any) -> None:
    audio_id = change(await earlier_id(speaking))
    answer = await speaking.post(PATH, chat({"role": "assistant", "audio": {"id": audio_id}}))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages.0.audio.id")


async def test_an_id_expires(speaking: Edge, parts: FakeSpeech) -> None:
    expired = parts.audio_ids.made("org_acme", "Hello.", int(time.time()) - 1)
    answer = await speaking.post(PATH, chat({"role": "assistant", "audio": {"id": expired}}))
    assert answer.json()["error"]["param"] == "messages.0.audio.id"
    assert "'content'" in answer.json()["error"]["message"]


# --- and in writing -------------------------------------------------------------------------------------------------------


async def test_the_word_audio_makes_no_request_a_spoken_one(speaking: Edge, edge: Edge) -> None:
    for body in (chat({"role": "user", "content": "Is this audio?"}), chat(modalities=["text"], audio=None)):
        for served in (speaking, edge):
            assert (await served.post(PATH, body)).content == chat_body()
    ours, plain = (served.inference.asked[0][1] for served in (speaking, edge))
    assert isinstance(ours, ChatCompletionRequest)
    assert ours == plain


async def test_an_escaped_name_is_no_way_around_the_rules(speaking: Edge) -> None:
    body = json.dumps(chat(modalities=["text", "audio"])).replace("audio", "\\u0061udio")
    answer = await speaking.request("POST", PATH, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "modalities")
