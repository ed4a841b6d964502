"""Sessions over a real grpc.aio server: who gets one, what ends it, what is refused, and that it is the WebSocket's session."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from cluster.config.settings.realtime import RealtimeSettings
from cluster.edges.grpc.generated.ossature.realtime.v1 import client_events_pb2, realtime_pb2, session_pb2
from cluster.edges.grpc.realtime import converse as converse_module
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.realtime.session.machine import SessionMachine
from tests.unit.grpc.plain_server import build_server
from tests.unit.realtime.calls import END, MAX_MESSAGE_BYTES, Call, calling, grpc_served, started
from tests.unit.realtime.fake_cluster import Cluster, authenticate, call, echo, say, silence, spoken_word
from tests.unit.realtime.sockets import Socket, connected

Request = realtime_pb2.ConverseRequest
RAW = "/ossature.realtime.v1.RealtimeService/Converse"


@dataclass(frozen=True)
class Ending:
    """How a call ended."""

    code: grpc.StatusCode
    details: str
    trailers: dict[str, Any]

    @property
    def reason(self) -> str:
        status, info = Status.FromString(self.trailers["grpc-status-details-bin"]), ErrorInfo()
        assert status.details[0].Unpack(info)
        return str(info.reason)


async def ended(conversation: Call) -> Ending:
    """Once all that was sent before has been read."""
    rpc = conversation.rpc
    async with asyncio.timeout(10):
        with contextlib.suppress(grpc.RpcError):
            while await rpc.read() is not END:
                pass
        return Ending(await rpc.code(), await rpc.details() or "", dict(await rpc.trailing_metadata() or ()))


def raw_call(channel: Any) -> Any:
    """A call that sends bytes as they are."""
    send = channel.stream_stream(RAW, response_deserializer=realtime_pb2.ConverseResponse.FromString)
    return send(metadata=(("authorization", "Bearer sk-acme"),))


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - of others' state
            await asyncio.sleep(0.01)


# --- before the session ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "request_", "status", "code"),
    [
        (None, {}, "UNAUTHENTICATED", "INVALID_API_KEY"),
        ("sk-nobody", {}, "UNAUTHENTICATED", "INVALID_API_KEY"),
        ("sk-admin", {"model": "demo"}, "PERMISSION_DENIED", "PERMISSION_DENIED"),
        ("sk-acme", {"model": "nope"}, "NOT_FOUND", "MODEL_NOT_FOUND"),
        ("sk-rival", {"model": "acme/private"}, "NOT_FOUND", "MODEL_NOT_FOUND"),
        ("sk-acme", {}, "INVALID_ARGUMENT", "MISSING_REQUIRED_PARAMETER"),
        (
            "sk-acme",
            {"model": "demo", "session": session_pb2.Session(realtime=session_pb2.RealtimeSession(id="sess_1"))},
            "INVALID_ARGUMENT",
            "UNKNOWN_PARAMETER",
        ),
        ("sk-acme", {"model": "demo", "session": session_pb2.Session()}, "INVALID_ARGUMENT", "MISSING_REQUIRED_PARAMETER"),
    ],
)
async def test_session_that_can_t_be_had_is_a_status_with_details(
    key: str | None, request_: dict[str, Any], status: str, code: str
) -> None:
    async with grpc_served(Cluster()) as address, calling(address, key=key) as conversation:
        with contextlib.suppress(grpc.RpcError, grpc.aio.UsageError):
            await conversation.rpc.write(Request(session_start=client_events_pb2.SessionStart(**request_)))
        error = await ended(conversation)
        assert (error.code.name, error.reason) == (status, code), error


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"\xff", "INVALID_EVENT"),
        (b"", "INVALID_EVENT"),
        (Request(response_cancel={}).SerializeToString(), "MISSING_REQUIRED_PARAMETER"),
    ],
    ids=["no message", "no event", "another event"],
)
async def test_first_event_must_start_the_session(first: bytes, code: str) -> None:
    async with grpc_served(Cluster()) as address, grpc.aio.insecure_channel(address) as channel:
        rpc = raw_call(channel)
        await rpc.write(first)
        error = await ended(Call(rpc))
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, code)


async def test_client_that_starts_nothing_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converse_module, "START_TIMEOUT_S", 0.05)
    async with grpc_served(Cluster()) as address, calling(address) as conversation:
        assert (await ended(conversation)).code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_sessions_of_both_edges_share_their_places() -> None:
    cluster = Cluster(settings=RealtimeSettings(max_sessions=2, max_sessions_per_organization=1))
    sessions = cluster.sessions()
    async with cluster.served(sessions), grpc_served(cluster, sessions) as address:
        async with connected(cluster.socket_url) as socket:
            await socket.event()
            async with started(address) as refused:
                assert (await ended(refused)).code is grpc.StatusCode.RESOURCE_EXHAUSTED
            async with started(address, key="sk-rival") as other:
                await other.event()
                async with started(address) as third:
                    assert (await ended(third)).code is grpc.StatusCode.UNAVAILABLE, "the gateway is full"
        await eventually(lambda: sessions._open == 0)
        async with started(address) as again:
            await again.event()


async def test_settings_of_the_start_are_the_session_s() -> None:
    settings = session_pb2.RealtimeSession(instructions="Be brief.", audio={"output": {"voice": "rms"}})
    start = client_events_pb2.SessionStart(model="demo", session=session_pb2.Session(realtime=settings))
    async with grpc_served(Cluster()) as address, calling(address) as conversation:
        await conversation.rpc.write(Request(session_start=start))
        shown = (await conversation.event())["session"]
        assert (shown["instructions"], shown["audio"]["output"]["voice"]) == ("Be brief.", "rms")


async def test_transcription_session_needs_no_model() -> None:
    start = client_events_pb2.SessionStart(session=session_pb2.Session(transcription=session_pb2.TranscriptionSession()))
    async with grpc_served(Cluster()) as address, calling(address) as conversation:
        await conversation.rpc.write(Request(session_start=start))
        assert (await conversation.event())["session"]["type"] == "transcription"
        await conversation.audio(silence(40) + spoken_word(4) + silence(500))
        done = await conversation.until("conversation.item.input_audio_transcription.completed")
        assert done["transcript"] == "hello"


async def test_gateway_without_sessions_has_no_such_method() -> None:
    edge = GrpcEdge(Cluster().inference, authenticate, lambda: True)  # type: ignore[arg-type]
    server = build_server(edge, max_message_bytes=MAX_MESSAGE_BYTES)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with started(f"127.0.0.1:{port}") as conversation:
        assert (await ended(conversation)).code is grpc.StatusCode.UNIMPLEMENTED
    await server.stop(0)


# --- the session ----------------------------------------------------------------------------------------------------------


async def converse(client: Socket | Call) -> None:
    """A turn in writing, a spoken one, a function call with its answer, an error, and an answer that is stopped."""
    tool = {"type": "function", "name": "order", "parameters": {"type": "object"}}
    hearing = {"transcription": {"model": "whisper-1"}}
    await client.send("session.update", session={"type": "realtime", "tools": [tool], "audio": {"input": hearing}})
    await client.ask("Hello.")
    await client.audio(silence(40) + spoken_word(4) + silence(500))
    await client.until("response.done")
    called = await client.ask("strawberries")
    output = {"type": "function_call_output", "call_id": called["output"][0]["call_id"], "output": "done"}
    await client.send("conversation.item.create", item=output)
    await client.send("response.create", response={})
    await client.until("response.done")
    await client.send("conversation.item.delete", item_id="nope")
    await client.until("error")
    await client.send(
        "session.update", session={"type": "realtime", "output_modalities": ["text"], "audio": {"input": {"turn_detection": None}}}
    )
    await client.ask("In writing?")


def script(messages: list[dict[str, Any]]) -> Any:
    return call("order", '{"item": "strawberries"}') if messages[-1]["content"] == "strawberries" else echo(messages)


async def test_same_conversation_gives_the_same_events_as_over_a_websocket() -> None:
    async with Cluster().served() as cluster, grpc_served(cluster) as address:
        cluster.inference.script = script
        async with connected(cluster.socket_url) as socket:
            await socket.event()
            await converse(socket)
        async with started(address) as conversation:
            await conversation.event()
            await converse(conversation)
    assert conversation.kinds() == socket.kinds()
    audio = "response.output_audio.delta"
    assert conversation.kinds().count(audio) > 5
    assert all(isinstance(event["delta"], bytes) for event in conversation.events if event["type"] == audio)


async def test_speech_interrupts_the_answer_and_cancels_its_generation() -> None:
    cluster = Cluster()
    cluster.inference.script = lambda messages: say("word " * 500)
    cluster.inference.pause_s = 0.005
    async with grpc_served(cluster) as address, started(address) as conversation:
        await conversation.audio(silence(40) + spoken_word(4) + silence(500))
        first = await conversation.until("response.output_audio.delta")
        await conversation.audio(spoken_word(3, 100))
        await conversation.until("input_audio_buffer.speech_started")
        done = await conversation.until("response.done")
        assert (done["response"]["id"], done["response"]["status"]) == (first["response_id"], "cancelled")
        assert cluster.inference.answers[0].closed.is_set()
        await conversation.send("conversation.item.truncate", item_id=first["item_id"], content_index=0, audio_end_ms=100)
        truncated = await conversation.until("conversation.item.truncated")
        assert truncated["audio_end_ms"] == 100


MALFORMED = {
    "no message": b"\xff",
    "no event": b"",
    "an event of the future": b"\xfa\x07\x00",
    "a second start": Request(session_start=client_events_pb2.SessionStart()).SerializeToString(),
    "no settings": Request(session_update=client_events_pb2.SessionUpdate()).SerializeToString(),
    "an unknown voice": Request(
        session_update={"session": {"realtime": {"audio": {"output": {"voice": "nobody"}}}}}
    ).SerializeToString(),
    "an enum value that is none": Request(
        session_update={"session": {"realtime": {"audio": {"input": {"format": 77}}}}}
    ).SerializeToString(),
    "a number that is none": Request(
        session_update={"session": {"realtime": {"audio": {"output": {"speed": float("nan")}}}}}
    ).SerializeToString(),
    "a NUL": Request(session_update={"session": {"realtime": {"instructions": "a\0b"}}}).SerializeToString(),
    "a schema that is no JSON": Request(
        session_update={"session": {"realtime": {"tools": {"items": [{"function": {"name": "f", "parameters": "{"}}]}}}}
    ).SerializeToString(),
    "an item of no kind": Request(conversation_item_create={"item": {}}).SerializeToString(),
    "an item that is not there": Request(conversation_item_retrieve={"item_id": "nope"}).SerializeToString(),
    "a negative position": Request(conversation_item_truncate={"item_id": "i", "audio_end_ms": -1}).SerializeToString(),
    "an id that is too long": Request(event_id="x" * 600, input_audio_buffer_clear={}).SerializeToString(),
    "half a sample in an item": Request(
        conversation_item_create={"item": {"message": {"role": 2, "content": [{"input_audio": {"audio": b"\0"}}]}}}
    ).SerializeToString(),
    "too much at once": Request(input_audio_buffer_append={"audio": bytes(65 << 10)}).SerializeToString(),
}


async def test_malformed_event_is_an_error_and_the_session_goes_on() -> None:
    cluster = Cluster(settings=RealtimeSettings(max_frame_bytes=64 << 10))
    async with grpc_served(cluster) as address, grpc.aio.insecure_channel(address) as channel:
        conversation = Call(raw_call(channel))
        start = client_events_pb2.SessionStart(model="demo")
        await conversation.rpc.write(Request(session_start=start).SerializeToString())
        codes = {}
        for name, data in MALFORMED.items():
            await conversation.rpc.write(data)
            error = (await conversation.until("error"))["error"]
            assert error["message"]
            codes[name] = error["code"]
        await conversation.rpc.write(Request(event_id="mine", response_cancel={}).SerializeToString())
        assert (await conversation.until("error"))["error"]["event_id"] == "mine"
        conversation.rpc.cancel()
    assert codes == {
        "no message": "invalid_event",
        "no event": "invalid_event",
        "an event of the future": "invalid_event",
        "a second start": "invalid_event",
        "no settings": "missing_required_parameter",
        "an unknown voice": "invalid_value",
        "an enum value that is none": "invalid_value",
        "a number that is none": "invalid_value",
        "a NUL": "invalid_value",
        "a schema that is no JSON": "invalid_json",
        "an item of no kind": "missing_required_parameter",
        "an item that is not there": "item_retrieve_invalid_item_id",
        "a negative position": "integer_below_min_value",
        "an id that is too long": "invalid_value",
        "half a sample in an item": "invalid_audio",
        "too much at once": "event_too_large",
    }


async def test_organizations_can_t_touch_each_other_s_sessions() -> None:
    cluster = Cluster()
    async with grpc_served(cluster) as address, started(address) as ours, started(address, key="sk-rival") as theirs:
        await ours.ask("A secret of ours.")
        (item,) = [
            event["item"] for event in ours.events if event["type"] == "conversation.item.done" and event["item"]["role"] == "user"
        ]
        await theirs.event()
        for kind, more in (
            ("conversation.item.retrieve", {}),
            ("conversation.item.delete", {}),
            ("conversation.item.truncate", {"content_index": 0, "audio_end_ms": 0}),
        ):
            await theirs.send(kind, item_id=item["id"], **more)
            assert (await theirs.until("error"))["error"]["code"].endswith("_invalid_item_id")
        await theirs.ask("What was said?")
        await ours.send("conversation.item.retrieve", item_id=item["id"])
        assert (await ours.until("conversation.item.retrieved"))["item"]["id"] == item["id"]
    principals = {principal.org_id for principal, messages in cluster.inference.asked if "secret" in str(messages)}
    assert principals == {"org_acme"}


# --- its end --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["cancel", "close the stream", "deadline"])
async def test_client_that_leaves_ends_its_session_and_the_generation(leave: str) -> None:
    cluster = Cluster()
    cluster.inference.script, cluster.inference.pause_s = (lambda messages: say("word " * 500)), 0.05
    sessions = cluster.sessions()
    timeout: dict[str, Any] = {"timeout": 1.0} if leave == "deadline" else {}
    async with grpc_served(cluster, sessions) as address, calling(address, **timeout) as conversation:
        await conversation.start()
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on."}]}
        await conversation.send("conversation.item.create", item=item)
        await conversation.send("response.create", response={})
        await conversation.until("response.created")
        assert sessions._open == 1
        if leave == "cancel":
            conversation.rpc.cancel()
        elif leave == "close the stream":
            await conversation.rpc.done_writing()
        await eventually(lambda: sessions._open == 0)
        await eventually(lambda: all(answer.closed.is_set() for answer in cluster.inference.answers))
        if leave == "close the stream":
            while await conversation.rpc.read() is not END:
                pass
            assert await conversation.rpc.code() is grpc.StatusCode.OK


async def test_client_that_takes_nothing_slows_its_session_and_then_loses_it() -> None:
    cluster = Cluster(settings=RealtimeSettings(write_timeout_s=0.5, max_unsent_bytes=64 << 10))
    cluster.inference.script = lambda messages: say("word " * 4000)
    sessions = cluster.sessions()
    # The window does not grow with what is taken, so the server is held up early.
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 64 << 10)]
    async with grpc_served(cluster, sessions) as address, calling(address, options=options) as conversation:
        await conversation.start()
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on."}]}
        await conversation.send("conversation.item.create", item=item)
        await conversation.send("response.create", response={})
        await eventually(lambda: sessions._open == 1)
        await eventually(lambda: sessions._open == 0)
        assert not conversation.rpc.done()
        assert cluster.inference.answers[0].closed.is_set()
        error = await ended(conversation)
        assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "took nothing for 0.5 s" in error.details


@pytest.mark.parametrize(
    ("settings", "last", "words"),
    [
        ({"max_session_s": 0.3}, "error", "maximum duration"),
        ({"idle_timeout_s": 0.3}, "conversation.created", "sent nothing for 0.3 s"),
    ],
)
async def test_session_that_the_server_ends_says_why(settings: dict[str, Any], last: str, words: str) -> None:
    async with grpc_served(Cluster(settings=RealtimeSettings(**settings))) as address, started(address) as conversation:
        await conversation.until(last)
        error = await ended(conversation)
        assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert words in error.details


async def test_defect_ends_its_own_session_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: SessionMachine, *_: Any) -> None:
        raise ZeroDivisionError

    async with grpc_served(Cluster()) as address, started(address) as lucky, started(address) as unlucky:
        await lucky.event()
        await unlucky.event()
        with monkeypatch.context() as patched:
            patched.setattr(SessionMachine, "_clear_output", broken)
            await unlucky.send("output_audio_buffer.clear")
            error = await ended(unlucky)
        assert error.code is grpc.StatusCode.INTERNAL
        assert "ZeroDivision" not in str(error)
        assert (await lucky.ask("Hello?"))["status"] == "completed"
