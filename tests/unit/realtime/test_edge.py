"""The WebSocket edge on a real socket: who gets in, what is refused and how, and what ends a session."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import string
import time
from typing import Any

import httpx
import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cluster.config.settings.realtime import RealtimeSettings
from cluster.errors import Overloaded
from cluster.identity.secrets import is_secret
from cluster.realtime.session.conversation import Conversation
from cluster.realtime.session.items import StoredItem
from cluster.speech.audio.telephone import WireEncoder, WireFormat
from tests.openai_schema import SchemaOracle
from tests.unit.realtime.fake_cluster import ACME, Cluster, call, say, silence, spoken_word
from tests.unit.realtime.sockets import Socket, connected


async def refused(cluster: Cluster, **arguments: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as error:
        async with connected(cluster.socket_url, **arguments):
            pass
    response = error.value.response
    return response.status_code, json.loads(response.body)["error"]


async def post(cluster: Cluster, path: str, body: object, key: str = "sk-acme") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{cluster.url}{path}", json=body, headers={"authorization": f"Bearer {key}"})


# --- the handshake --------------------------------------------------------------------------------------------------------


async def test_key_is_taken_from_a_header_or_a_subprotocol(cluster: Cluster) -> None:
    async with connected(cluster.socket_url) as socket:
        assert (await socket.event())["type"] == "session.created"
        assert socket.connection.subprotocol is None
    offered = ["realtime", "openai-insecure-api-key.sk-acme"]
    async with connected(cluster.socket_url, key=None, subprotocols=offered) as socket:
        assert (await socket.event())["session"]["model"] == "demo"
        assert socket.connection.subprotocol == "realtime"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"key": None}, 401, "invalid_api_key"),
        ({"key": "sk-nobody"}, 401, "invalid_api_key"),
        ({"key": "ek_forged"}, 401, "invalid_api_key"),
        ({"key": "sk-admin"}, 403, "permission_denied"),
        ({"query": "?model=nope"}, 404, "model_not_found"),
        ({"query": "?model=acme/private", "key": "sk-rival"}, 404, "model_not_found"),
        ({"query": ""}, 400, "missing_required_parameter"),
        ({"query": "?call_id=rtc_1"}, 400, "unsupported_parameter"),
        ({"query": "/else?model=demo"}, 404, "unknown_url"),
    ],
)
async def test_refusal_is_an_http_error_in_openai_s_shape(
    cluster: Cluster, arguments: dict[str, Any], status: int, code: str
) -> None:
    got, error = await refused(cluster, **arguments)
    assert (got, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert cluster.refusals[-1][1].code == code


async def test_sessions_are_limited_per_organization_and_gateway() -> None:
    settings = RealtimeSettings(max_sessions=2, max_sessions_per_organization=1)
    async with (
        Cluster(settings=settings).served() as cluster,
        connected(cluster.socket_url) as first,
    ):
        await first.event()
        assert await refused(cluster) == (429, cluster.refusals[-1][1].body()["error"])
        async with connected(cluster.socket_url, key="sk-rival"):
            pass
    assert cluster.edge().sessions._open == 0


async def test_name_of_openai_s_model_may_stand_for_the_default(cluster: Cluster) -> None:
    settings = RealtimeSettings(default_model="demo")
    async with Cluster(settings=settings).served() as running:
        for query in ("", "?model=gpt-realtime", "?model=gpt-4o-realtime-preview-2024-10-01"):
            async with connected(running.socket_url, query=query) as socket:
                assert (await socket.event())["session"]["model"] == "demo"
        assert (await refused(running, query="?model=other"))[0] == 404


async def test_transcription_intent_needs_no_model(cluster: Cluster) -> None:
    async with connected(cluster.socket_url, query="?intent=transcription") as socket:
        assert (await socket.event())["session"]["type"] == "transcription"
        await socket.audio(silence(40) + spoken_word(4) + silence(500))
        done = await socket.until("conversation.item.input_audio_transcription.completed")
        assert done["transcript"] == "hello"


# --- client secrets -------------------------------------------------------------------------------------------------------


async def test_client_secret_opens_a_session_with_its_settings(cluster: Cluster) -> None:
    session = {"type": "realtime", "model": "demo", "instructions": "Be secret.", "audio": {"output": {"voice": "rms"}}}
    made = await post(cluster, "/realtime/client_secrets", {"expires_after": {"seconds": 60}, "session": session})
    assert made.status_code == 200
    body = made.json()
    assert not SchemaOracle.load().problems("RealtimeCreateClientSecretResponse", body)
    assert body["value"].startswith("ek_")
    assert "secret" not in body["value"]
    async with connected(cluster.socket_url, key=body["value"], query="") as socket:
        shown = (await socket.event())["session"]
        assert (shown["instructions"], shown["audio"]["output"]["voice"], shown["model"]) == ("Be secret.", "rms", "demo")
        await socket.ask("hello")
    assert cluster.inference.asked[-1][0] == ACME
    offered = ["realtime", f"openai-insecure-api-key.{body['value']}"]
    async with connected(cluster.socket_url, key=None, subprotocols=offered) as socket:
        assert (await socket.event())["type"] == "session.created"


async def test_client_secret_ends_with_its_time_and_its_key(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    value = (await post(cluster, "/realtime/client_secrets", {"session": {"type": "realtime", "model": "demo"}})).json()["value"]
    cluster.revoked.add("key_acme")
    assert (await refused(cluster, key=value))[0] == 401
    cluster.revoked.clear()
    late = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: late)
    assert (await refused(cluster, key=value))[0] == 401


async def test_client_secret_opens_nothing_but_its_session(cluster: Cluster) -> None:
    session = {"type": "realtime", "model": "demo"}
    value = (await post(cluster, "/realtime/client_secrets", {"session": session})).json()["value"]
    # With another secret of its own making it would outlive its time.
    calls: list[tuple[str, object]] = [
        ("/realtime/client_secrets", {"session": session}),
        ("/realtime/sessions", {"model": "demo"}),
    ]
    for path, body in calls:
        assert (await post(cluster, path, body)).status_code == 200, path
        assert (await post(cluster, path, body, key=value)).status_code == 401, path
    chat = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}
    assert (await post(cluster, "/chat/completions", chat, key=value)).status_code == 401
    async with httpx.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {value}"}) as client:
        for path in ("/v1/models", "/admin/v1/organizations"):
            assert (await client.get(cluster.url.removesuffix("/v1") + path)).status_code == 401, path
    assert cluster.inference.asked == []
    assert not is_secret(value), "nor does it look like a key to what checks keys"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_after": {"seconds": 5}}, "expires_after.seconds"),
        ({"session": {"type": "realtime", "model": "demo", "foo": 1}}, "session.foo"),
        ({"session": {"type": "realtime", "model": "nope"}}, "model"),
        (
            {"session": {"type": "realtime", "model": "demo", "audio": {"output": {"voice": "nobody"}}}},
            "session.audio.output.voice",
        ),
        (
            {
                "session": {
                    "type": "realtime",
                    "model": "demo",
                    "instructions": "".join(random.choices(string.ascii_letters, k=9000)),
                }
            },
            "session",
        ),
    ],
)
async def test_wrong_client_secret_request_is_refused_by_field(cluster: Cluster, body: dict[str, Any], param: str) -> None:
    answer = await post(cluster, "/realtime/client_secrets", body)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param


async def test_beta_endpoints_give_flat_sessions_with_a_secret(cluster: Cluster) -> None:
    made = (await post(cluster, "/realtime/sessions", {"model": "demo", "voice": "alloy", "modalities": ["audio", "text"]})).json()
    assert (made["voice"], made["modalities"], made["input_audio_format"]) == ("alloy", ["text", "audio"], "pcm16")
    async with connected(cluster.socket_url, key=made["client_secret"]["value"], query="", beta=True) as socket:
        assert (await socket.event())["session"]["voice"] == "alloy"
    wished = {"input_audio_format": "g711_ulaw", "input_audio_transcription": {"model": "whisper-1"}}
    made = (await post(cluster, "/realtime/transcription_sessions", wished)).json()
    assert made["input_audio_format"] == "g711_ulaw"
    assert not SchemaOracle.load().problems("RealtimeTranscriptionSessionCreateResponse", made)


# --- sessions -------------------------------------------------------------------------------------------------------------


async def test_session_without_speech_talks_in_writing(silent_cluster: Cluster) -> None:
    async with connected(silent_cluster.socket_url) as socket:
        assert (await socket.event())["session"]["output_modalities"] == ["text"]
        done = await socket.ask("hello")
        assert done["output"][0]["content"] == [{"type": "output_text", "text": "You said: hello."}]
        await socket.send("input_audio_buffer.append", audio="AAAA", event_id="a1")
        error = (await socket.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("audio_unavailable", "a1")
        assert (await socket.ask("again"))["status"] == "completed"


async def test_spoken_turn_is_answered_in_sound(cluster: Cluster) -> None:
    async with connected(cluster.socket_url) as socket:
        await socket.audio(silence(100) + spoken_word(2) + spoken_word(1) + silence(500))
        done = (await socket.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "You said: four hundred strawberries."
        sound = b"".join(
            base64.b64decode(event["delta"]) for event in socket.events if event["type"] == "response.output_audio.delta"
        )
        assert len(sound) == 5 * 100 * 48
        assert done["usage"]["output_token_details"]["audio_tokens"] == 10
    assert cluster.recognizer.open_now == 0


@pytest.mark.parametrize(("audio_format", "beta_name"), [("audio/pcmu", "g711_ulaw"), ("audio/pcma", "g711_alaw")])
async def test_telephone_formats_go_both_ways(cluster: Cluster, audio_format: str, beta_name: str) -> None:
    encoder = WireEncoder(WireFormat(audio_format))
    spoken = encoder.push(silence(200) + spoken_word(4) + silence(600)) + encoder.end()
    async with connected(cluster.socket_url) as socket:
        audio = {"input": {"format": {"type": audio_format}}, "output": {"format": {"type": audio_format}}}
        await socket.send("session.update", session={"type": "realtime", "audio": audio})
        for start in range(0, len(spoken), 160):
            await socket.send("input_audio_buffer.append", audio=base64.b64encode(spoken[start : start + 160]).decode())
        done = (await socket.until("response.done"))["response"]
        said = done["output"][0]["content"][0]["transcript"]
        assert said.startswith("You said: ")
        assert "hello" in said
        coded = b"".join(
            base64.b64decode(event["delta"]) for event in socket.events if event["type"] == "response.output_audio.delta"
        )
        assert abs(len(coded) - 800 * len(said.split())) <= 16


async def test_interruption_silences_the_answer_and_frees_everything(cluster: Cluster) -> None:
    cluster.inference.script = lambda messages: say("This is a very long answer. " * 40)
    cluster.inference.pause_s = 0.005
    cluster.synthesizer.pause_s = 0.01
    async with connected(cluster.socket_url) as socket:
        await socket.audio(spoken_word(4) + silence(500))
        await socket.until("response.output_audio.delta")
        await socket.audio(spoken_word(3) + silence(40))
        await socket.until("input_audio_buffer.speech_started")
        cancelled = (await socket.until("response.done"))["response"]
        assert cancelled["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        started = max(index for index, event in enumerate(socket.events) if event["type"] == "input_audio_buffer.speech_started")
        assert not [event for event in socket.events[started:] if event["type"] == "response.output_audio.delta"]
        async with asyncio.timeout(20):
            await cluster.inference.answers[0].closed.wait()
        item_id = cancelled["output"][0]["id"]
        await socket.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=100)
        await socket.until("conversation.item.truncated")
        cluster.inference.script = lambda messages: say("Fine.")
        await socket.audio(silence(400))
        await socket.until("response.done")
    assert [message["content"] for message in cluster.inference.asked[-1][1][1:]] == ["hello", "This", "stop"]


async def test_function_call_goes_round(cluster: Cluster) -> None:
    def script(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return say("Ordered.") if messages[-1]["role"] == "tool" else call("order", '{"count": 400, "item": "strawberries"}')

    cluster.inference.script = script
    async with connected(cluster.socket_url) as socket:
        tool = {"type": "function", "name": "order", "parameters": {"type": "object"}}
        await socket.send("session.update", session={"type": "realtime", "tools": [tool]})
        await socket.audio(spoken_word(2) + spoken_word(1) + silence(500))
        called = await socket.until("response.function_call_arguments.done")
        assert json.loads(called["arguments"]) == {"count": 400, "item": "strawberries"}
        await socket.until("response.done")
        output = {"type": "function_call_output", "call_id": called["call_id"], "output": "ok"}
        await socket.send("conversation.item.create", item=output)
        await socket.send("response.create")
        done = (await socket.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "Ordered."


async def test_cluster_s_refusal_ends_the_response_not_the_session(cluster: Cluster) -> None:
    async with connected(cluster.socket_url) as socket:
        cluster.inference.error = Overloaded("No replica.")
        failed = await socket.ask("hello")
        assert failed["status"] == "failed"
        assert failed["status_details"]["error"] == {"type": "server_error", "code": "overloaded", "message": "No replica."}
        cluster.inference.error = None
        assert (await socket.ask("again"))["status"] == "completed"


@pytest.mark.slow
async def test_synthesizer_that_hangs_fails_its_response_in_time(cluster: Cluster) -> None:
    cluster.synthesizer.hangs = True
    async with connected(cluster.socket_url) as socket:
        failed = await socket.ask("hello")
        assert failed["status_details"]["error"]["code"] == "deadline_exceeded"
        assert cluster.synthesizer.stopped == 1


async def test_client_that_leaves_ends_its_generation(cluster: Cluster) -> None:
    cluster.inference.script = lambda messages: say("word " * 2000)
    cluster.inference.pause_s = 0.01
    async with connected(cluster.socket_url) as socket:
        await socket.send("response.create")
        await socket.until("response.output_audio.delta")
    async with asyncio.timeout(20):
        await cluster.inference.answers[0].closed.wait()


@pytest.mark.slow
async def test_client_that_reads_nothing_is_given_up(cluster: Cluster) -> None:
    settings = RealtimeSettings(write_timeout_s=0.5, max_unsent_bytes=64 << 10)
    async with Cluster(settings=settings).served() as running:
        running.inference.script = lambda messages: say("word " * 1000)
        async with connected(running.socket_url) as socket:
            socket.connection.transport.pause_reading()
            await socket.send("response.create")
            async with asyncio.timeout(120):
                while not running.inference.answers:  # noqa: ASYNC110 - the session begins it in its own time
                    await asyncio.sleep(0.05)
                await running.inference.answers[0].closed.wait()


async def test_session_expires_with_an_error_and_close_1001() -> None:
    async with Cluster(settings=RealtimeSettings(max_session_s=0.5)).served() as cluster, connected(cluster.socket_url) as socket:
        error = (await socket.until("error"))["error"]
        assert error["code"] == "session_expired"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.event()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, error["message"])


async def test_client_that_sends_nothing_is_closed() -> None:
    async with Cluster(settings=RealtimeSettings(idle_timeout_s=0.3)).served() as cluster, connected(cluster.socket_url) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.until("response.done")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_event_that_is_too_large_is_an_error_and_no_end() -> None:
    async with (
        Cluster(settings=RealtimeSettings(max_frame_bytes=64 << 10)).served() as cluster,
        connected(cluster.socket_url) as socket,
    ):
        await socket.send("input_audio_buffer.append", audio="A" * (64 << 10))
        assert (await socket.until("error"))["error"]["code"] == "event_too_large"
        assert (await socket.ask("hello"))["status"] == "completed"


async def test_organizations_share_nothing(cluster: Cluster) -> None:
    async with connected(cluster.socket_url) as ours, connected(cluster.socket_url, key="sk-rival") as theirs:
        item = {"id": "secret", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "our plan"}]}
        await ours.send("conversation.item.create", item=item)
        await ours.until("conversation.item.done")
        await theirs.send("conversation.item.retrieve", item_id="secret")
        assert (await theirs.until("error"))["error"]["code"] == "item_retrieve_invalid_item_id"
        await asyncio.gather(ours.ask("ours"), theirs.ask("theirs"))
    said = {principal.org_id: json.dumps(messages) for principal, messages in cluster.inference.asked}
    assert "our plan" in said["org_acme"]
    assert "our plan" not in said["org_rival"]
    assert "ours" not in said["org_rival"].replace("yours", "")


# --- whatever is sent -----------------------------------------------------------------------------------------------------


def junk(chance: random.Random) -> str | bytes:
    """A frame that is wrong in one of many ways, or right by accident."""
    kinds = [
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "output_audio_buffer.clear",
        "conversation.item.create",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "conversation.item.delete",
        "response.create",
        "response.cancel",
        "nope",
        "",
    ]

    def value(depth: int = 0) -> object:
        choice = chance.randrange(10)
        if choice < 2 and depth < 4:
            return {
                chance.choice(["type", "id", "role", "content", "text", "audio", "session", "x"]): value(depth + 1)
                for _ in range(3)
            }
        if choice < 4 and depth < 4:
            return [value(depth + 1) for _ in range(chance.randrange(3))]
        return chance.choice(
            [None, True, -1, 0, 1 << 40, 1e308, "", "realtime", "message", "user", "AAAA", "\ud800", "\0", "x" * 50, "inf", "root"]
        )

    way = chance.randrange(8)
    if way == 0:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(60)))
    if way == 1:
        return "".join(chance.choice('{}[]",:\\u0 aé') for _ in range(chance.randrange(60)))
    event = {
        "type": chance.choice(kinds),
        **{chance.choice(["item", "session", "response", "audio", "item_id", "event_id"]): value() for _ in range(2)},
    }
    text = json.dumps(event)
    if way == 2:
        text = text[: chance.randrange(len(text))]
    return text


async def flood(socket: Socket, count: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        await socket.connection.send(junk(chance))


@pytest.mark.slow
async def test_ten_thousand_frames_of_junk_disturb_nobody(cluster: Cluster) -> None:
    # An echo of echoes would grow with every answer, and its sound with it.
    cluster.inference.script = lambda messages: say("Yes.")
    async with connected(cluster.socket_url) as quiet:

        async def noisy(seed: int) -> None:
            async with connected(cluster.socket_url, key="sk-rival") as socket:

                async def drain() -> None:
                    async for _ in socket.connection:
                        pass

                draining = asyncio.create_task(drain())
                await flood(socket, 2500, seed)
                draining.cancel()
                await socket.connection.send(json.dumps({"type": "nope", "event_id": "the end"}))
                async with asyncio.timeout(120):
                    while True:
                        event = json.loads(await socket.connection.recv())
                        if event["type"] == "error" and event["error"]["event_id"] == "the end":
                            return

        flooding = asyncio.gather(*(noisy(seed) for seed in range(4)))
        answered = 0
        while not flooding.done():
            assert (await quiet.ask(f"still there {answered}"))["status"] == "completed"
            answered += 1
        await flooding
        assert answered >= 3


async def test_plain_http_clients_and_other_paths_are_not_disturbed(cluster: Cluster) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{cluster.url}/models", headers={"authorization": "Bearer sk-acme"})).status_code == 200
        assert (await client.get(f"{cluster.url}/realtime")).status_code == 404
    with pytest.raises(InvalidStatus):
        await websockets.connect(f"{cluster.socket_url}/models", proxy=None)


async def test_defect_ends_its_session_and_no_other(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = Conversation.insert

    def broken(self: Conversation, item: StoredItem, previous_item_id: str | None = None) -> str | None:
        if item.id == "boom":
            raise RuntimeError("a defect")
        return insert(self, item, previous_item_id)

    monkeypatch.setattr(Conversation, "insert", broken)
    async with connected(cluster.socket_url) as ours, connected(cluster.socket_url, key="sk-rival") as theirs:
        item = {"id": "boom", "type": "message", "role": "user", "content": []}
        await ours.send("conversation.item.create", item=item)
        with pytest.raises(ConnectionClosed) as closed:
            await ours.until("conversation.item.added")
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "internal error")
        assert (await theirs.ask("hello"))["status"] == "completed"
