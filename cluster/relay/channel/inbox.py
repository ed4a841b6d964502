"""What has come for one stream and was not read yet: a state machine without sockets or tasks.

| State  | `accept` | `push` | `end`   | `fail`   | `take` gives                                            |
|--------|----------|--------|---------|----------|---------------------------------------------------------|
| new    | → open   | kept   | kept    | → failed | nothing yet                                             |
| open   |          | kept   | → ended | → failed | all that is kept, as soon as there is something         |
| ended  |          |        |         |          | the rest, with the last frame                           |
| failed |          |        |         |          | the rest, if some was taken before; then it raises      |

A stream that is lost before anything of it was taken raises at once, although something may be there: its request can still be
answered whole by another replica.

While nothing is kept, `push` offers to the stream's outlet first, if it has one. So a token that finds its client willing is on its
way there when `push` returns, and no task was woken for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cluster.engine.contract import Frame
from cluster.relay.channel.framing import ProtocolViolation
from cluster.relay.contract import Outlet


class Inbox:
    """Filled by a channel, emptied by one reader. It holds at most ``window_bytes`` and one frame.

    ``grant(bytes)`` is called when the reader has made room for so much more.
    """

    __slots__ = (
        "_accepted",
        "_credit_bytes",
        "_failure",
        "_grant",
        "_last",
        "_loop",
        "_outlet",
        "_payloads",
        "_size_bytes",
        "_taken",
        "_unreported_bytes",
        "_waiter",
        "_window_bytes",
    )

    def __init__(self, window_bytes: int, grant: Callable[[int], None]) -> None:
        self._window_bytes = window_bytes
        self._credit_bytes = window_bytes
        self._unreported_bytes = 0
        self._grant = grant
        self._payloads: list[bytes] = []
        self._size_bytes = 0
        self._last: Frame | None = None
        self._failure: Exception | None = None
        self._accepted = False
        self._taken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._outlet: Outlet | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self._last is not None or self._failure is not None

    @property
    def ended(self) -> bool:
        """Whether the last frame is here."""
        return self._last is not None

    @property
    def size_bytes(self) -> int:
        """Payload that waits for the reader."""
        return self._size_bytes

    def accept(self) -> None:
        """The replica that answers is known: from now on frames may be read."""
        self._accepted = True
        if self._payloads or self._last is not None:
            self._wake()

    def push(self, payloads: list[bytes]) -> None:
        """More of the answer. Raises ``ProtocolViolation`` when the window was used up before."""
        if self.over or not payloads:
            return
        if self._credit_bytes <= 0:
            raise ProtocolViolation("a frame beyond the stream's window")
        size = sum(map(len, payloads))
        self._credit_bytes -= size
        if self._outlet is not None and not self._payloads and self._outlet(payloads):
            self._read(size)
            return
        self._size_bytes += size
        self._payloads += payloads
        if self._accepted:
            self._wake()

    def end(self, last: Frame) -> None:
        """The answer's last frame, its payloads pushed before."""
        if self.over:
            return
        self._last = last
        if self._accepted:
            self._wake()

    def fail(self, failure: Exception) -> None:
        """Nothing more will come, and there was no end."""
        if self.over:
            return
        self._failure = failure
        self._wake()

    def flow(self, outlet: Outlet) -> None:
        """Offer what comes from now on to ``outlet`` before it is kept. Its reader has taken something already."""
        self._outlet = outlet

    async def take(self) -> Frame:
        """Everything since the last call, waiting for something to come. Raises what the stream has failed with.

        Not to be called again after the last frame or a failure.
        """
        # Spelled out and not a property: this runs for every token.
        while self._failure is None and not (self._accepted and (self._payloads or self._last is not None)):
            if self._loop is None:
                self._loop = asyncio.get_running_loop()  # a system call under Python 3.11
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._failure is not None and not (self._taken and self._payloads):
            raise self._failure
        self._taken = True
        payloads, last, size = self._payloads, self._last, self._size_bytes
        if last is not None:
            return Frame(payloads=payloads, usage=last.usage, timing=last.timing, fault=last.fault)
        self._payloads, self._size_bytes = [], 0
        self._read(size)
        return Frame(payloads=payloads)

    def _read(self, size_bytes: int) -> None:
        self._unreported_bytes += size_bytes
        # Half a window at a time: a reader that keeps up with a short answer costs no message at all.
        if self._unreported_bytes * 2 >= self._window_bytes:
            self._credit_bytes += self._unreported_bytes
            self._grant(self._unreported_bytes)
            self._unreported_bytes = 0

    def _wake(self) -> None:
        # Once, however much has come since: the reader takes it all.
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
