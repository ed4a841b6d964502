"""A worker for load generators: an OpenAI-compatible server on loopback that streams made-up answers at the pace a prompt asks for.

    python -m bench.fakes.worker --port 18101 --port 18102

Plain asyncio on uvloop, one write a token; it parses nothing but the head of a request and the profile in its prompt, so that it
stays far from being what a measurement measures.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
from collections.abc import Iterator
from typing import cast

import uvloop

from bench.fakes.answer import Answer, prompt_tokens
from bench.fakes.profile import Profile
from bench.fakes.steps import StepClocks

MODEL = "bench"
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
#: What routers ask a worker about itself: alive, and with which model.
_ABOUT = {
    b"/health": b"{}",
    b"/v1/models": b'{"object":"list","data":[{"id":"%b","object":"model","created":1767225600,"owned_by":"bench","root":"%b",'
    b'"max_model_len":1000000}]}' % (MODEL.encode(), MODEL.encode()),
    b"/version": b'{"version":"0.32.0"}',
}


class Stream:
    """One answer on its way out. ``step`` writes a token."""

    def __init__(self, transport: asyncio.Transport, answer: Answer, closing: bytes) -> None:
        self._transport = transport
        self._payloads: Iterator[list[bytes]] = answer.payloads()
        self._closing = closing

    def step(self) -> bool:
        if self._transport.is_closing():
            return False
        batch = next(self._payloads, None)
        if batch is None:
            self._transport.write(self._closing + _LAST_CHUNK)
            return False
        self._transport.write(b"".join(map(_event, batch)))
        return True


class WorkerProtocol(asyncio.Protocol):
    """One connection: requests one after another, as HTTP/1.1 clients send them."""

    def __init__(self, clocks: StepClocks, ids: Iterator[int]) -> None:
        self._clocks = clocks
        self._ids = ids
        self._received = bytearray()
        self._head: bytes | None = None
        self._length = 0
        self._chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._take_request():
            pass

    def _take_request(self) -> bool:
        if self._head is None:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._head = bytes(self._received[:end])
            del self._received[: end + 4]
            headers = self._head.lower()
            self._chunked = b"transfer-encoding: chunked" in headers
            self._length = _number(headers, b"content-length:")
            if b"expect: 100-continue" in headers:
                self._transport.write(_CONTINUE)
        if self._chunked:
            if not self._received.endswith(_LAST_CHUNK):
                return False
            self._length = len(self._received)
        if len(self._received) < self._length:
            return False
        body = bytes(self._received[: self._length])
        del self._received[: self._length]
        head, self._head = self._head, None
        self._answer(head, body)
        return bool(self._received)

    def _answer(self, head: bytes, body: bytes) -> None:
        method, path = head.split(b" ", 2)[:2]
        if method == b"GET":
            about = _ABOUT.get(path.partition(b"?")[0])
            self._transport.write(_NOT_FOUND if about is None else _JSON_HEAD % len(about) + about)
            return
        profile = Profile.find(body)
        answer = Answer(f"chatcmpl-{next(self._ids):024x}", MODEL, profile.tokens)
        if b'"stream":true' not in body and b'"stream": true' not in body:
            whole = answer.whole(prompt_tokens(body))
            self._transport.write(_JSON_HEAD % len(whole) + whole)
            return
        usage = _event(answer.usage(prompt_tokens(body))) if b'"include_usage"' in body else b""
        stream = Stream(self._transport, answer, usage + _chunk(b"data: [DONE]\n\n"))
        self._transport.write(_STREAM_HEAD)
        if profile.ttft_us:
            asyncio.get_running_loop().call_later(profile.ttft_us / 1e6, self._begin, stream, profile)
        else:
            self._begin(stream, profile)

    def _begin(self, stream: Stream, profile: Profile) -> None:
        if not stream.step():
            return
        if profile.tokens == 1:
            stream.step()
        else:
            self._clocks.add(profile.step_us, stream.step)


def _event(payload: bytes) -> bytes:
    return _chunk(b"data: %b\n\n" % payload)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _number(headers: bytes, name: bytes) -> int:
    start = headers.find(name)
    return int(headers[start + len(name) :].split(b"\r\n", 1)[0]) if start >= 0 else 0


async def serve(ports: list[int], host: str = "127.0.0.1") -> None:
    """Listen until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    clocks, ids, stop = StepClocks(loop), itertools.count(1), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    servers = [await loop.create_server(lambda: WorkerProtocol(clocks, ids), host, port) for port in ports]
    await stop.wait()
    for server in servers:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fakes.worker", description="A worker for load generators.")
    parser.add_argument("--port", type=int, action="append", required=True, help="port on 127.0.0.1; may be given several times")
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
