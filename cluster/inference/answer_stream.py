"""A streamed answer on its way to an edge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import msgspec

from cluster.engine.contract import EngineUsage, Frame, Operation
from cluster.errors import DeadlineExceeded, EngineFailed, OssatureError
from cluster.inference.accounting import RequestMeter
from cluster.inference.attempt import Opened
from cluster.inference.deadline import Deadline
from cluster.inference.faults import error_of
from cluster.inference.keeping import Remembered, Warned
from cluster.inference.usage import Usage
from cluster.prompt_cache.rules import shown_cached_tokens
from cluster.relay.contract import Outlet, ReplicaLost

_CHUNK_OBJECT = {Operation.CHAT: b"chat.completion.chunk", Operation.COMPLETION: b"text_completion"}

_Failure = TypeVar("_Failure", bound=Exception)


class _Head(msgspec.Struct):
    created: int


_head_decoder = msgspec.json.Decoder(_Head)


def shown(exact: EngineUsage) -> Usage:
    """The engine's exact counts under the prompt-cache rule."""
    return Usage(
        prompt_tokens=exact.prompt_tokens,
        completion_tokens=exact.completion_tokens,
        cached_tokens=shown_cached_tokens(exact.prompt_tokens, exact.cached_tokens),
        reasoning_tokens=exact.reasoning_tokens,
    )


class AnswerStream:
    """Implements :class:`~cluster.inference.service.CompletionStream` over an opened engine stream.

    Per batch it does nothing but hand payloads on; the usage chunk is made once, and the request is accounted for before the last
    batch is given away. ``release`` is called exactly once, when nothing of the request is left.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        request_id: str,
        model: str,
        operation: Operation,
        include_usage: bool,
        route: str,
        deadline: Deadline,
        meter: RequestMeter,
        release: Callable[[], None],
        remembered: Remembered | None = None,
    ) -> None:
        """``remembered``: what ``opened`` is read through, where the answer is to be kept."""
        self.request_id = request_id
        self.route = route
        self._opened = opened
        self._model = model
        self._operation = operation
        self._include_usage = include_usage
        self._deadline = deadline
        self._meter = meter
        self._remembered = remembered
        self._release: Callable[[], None] | None = release
        self._usage: Usage | None = None
        self._frames = opened.frames
        self._first: Frame | None = opened.first
        self._created = 0
        self._ended = False
        self._error: OssatureError | None = None

    @property
    def usage(self) -> Usage | None:
        return self._usage

    def __aiter__(self) -> AsyncIterator[list[bytes]]:
        return self

    async def __anext__(self) -> list[bytes]:
        # One coroutine and one `with` a batch: this runs for every token.
        if self._error is not None:
            error, self._error = self._error, None
            raise await self._fail(error)
        if self._ended:
            raise StopAsyncIteration
        try:
            while True:
                if self._first is not None:
                    frame, self._first = self._first, None
                    if frame.payloads:
                        self._created = _head_decoder.decode(frame.payloads[0]).created
                else:
                    with self._deadline:
                        frame = await self._frames.__anext__()
                if frame.last:
                    return await self._finish(frame)
                if frame.payloads:
                    return frame.payloads
        except TimeoutError:
            raise await self._fail(DeadlineExceeded("The request's deadline passed before the answer was finished.")) from None
        except ReplicaLost:
            raise await self._fail(
                EngineFailed("The replica that served this request stopped. The answer could not be finished; please retry.")
            ) from None
        except OssatureError as error:
            raise await self._fail(error) from None
        except StopAsyncIteration:
            if self._ended:
                raise
            raise await self._fail(RuntimeError("the relay's stream ended without a last frame")) from None
        except Exception as error:
            # A defect. Booked here, since all that the edge does next is to close the stream, as it does for a client that left.
            await self._fail(error)
            raise

    def flow(self, outlet: Outlet) -> None:
        self._opened.stream.flow(outlet)

    async def aclose(self) -> None:
        if self._release is None:
            return
        self._free()
        await self._opened.stream.cancel()
        await self._meter.cancelled()

    async def _finish(self, frame: Frame) -> list[bytes]:
        """The last batch. Raises ``StopAsyncIteration`` when it is empty, and the error of a frame that brings nothing else."""
        self._ended = True
        if frame.fault is not None:
            if not frame.payloads:
                raise error_of(frame.fault)
            self._error = error_of(frame.fault)
            return frame.payloads
        assert frame.usage is not None
        self._usage = shown(frame.usage)
        kept = self._remembered.keep(self._usage) if self._remembered is not None else None
        await self._meter.completed(frame.usage, self._usage, frame.timing)
        warning = await kept.outcome() if kept is not None else None
        self._free()
        tail = frame.payloads if warning is None else [*frame.payloads, self._warning_chunk(warning)]
        if self._include_usage:
            tail = [*tail, self._usage_chunk(self._usage)]
        if not tail:
            raise StopAsyncIteration
        return tail

    async def _fail(self, error: _Failure) -> _Failure:
        self._ended = True
        self._free()
        await self._opened.stream.cancel()
        await self._meter.failed(error)
        return error

    def _free(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()

    def _usage_chunk(self, usage: Usage) -> bytes:
        return b'%b,"choices":[],"usage":%b}' % (self._chunk_head(), usage.to_json())

    def _warning_chunk(self, warning: Warned) -> bytes:
        """A chunk that adds nothing to the answer. It has a choice, as clients look at the first one of every chunk."""
        choice = b'{"index":0,"delta":{},"logprobs":null,"finish_reason":null}'
        return b'%b,"choices":[%b],"warnings":[%b]}' % (self._chunk_head(), choice, warning.to_json())

    def _chunk_head(self) -> bytes:
        return b'{"id":%b,"object":"%b","created":%d,"model":%b' % (
            msgspec.json.encode(self.request_id),
            _CHUNK_OBJECT[self._operation],
            self._created,
            msgspec.json.encode(self._model),
        )
