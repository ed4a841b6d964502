"""What has come for one stream and was not read yet: a state machine without sockets or tasks.

| State  | `accept` | `push` | `end`   | `fail`   | `take` gives                                            |
|--------|----------|--------|---------|----------|---------------------------------------------------------|
| new    | → open   | kept   | kept    | → failed | nothing yet                                             |
| open   |          | kept   | → ended | → failed | all that is kept, as soon as there is something         |
| ended  |          |        |         |          | the rest, with the last frame                           |
| failed |          |        |         |          | the rest, if some was taken before; then it raises      |

What is kept counts among the gateway's waiting bytes (`waiting.py`). If it has to make room, the stream fails with nothing left.

A stream that is lost before anything of it was taken raises at once, although something may be there: its request can still be
answered whole by another replica.

While nothing is kept, `push` offers to the stream's outlet first, if it has one. So a token that finds its client willing is on its
way there when `push` returns, and no task was woken for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cluster.engine.contract import Frame
from cluster.errors import ClientTooSlow
from cluster.relay.channel.framing import ProtocolViolation
from cluster.relay.channel.waiting import WaitingBytes
from cluster.relay.contract import Outlet

#: A frame that is read ends with the payload that reaches this, so that no more than that is under way to a slow client, uncounted.
FRAME_BYTES = 64 << 10


class Inbox:
    """Filled by a channel, emptied by one reader. It holds at most ``window_bytes`` and one frame.

    ``grant(bytes)`` is called when the reader has made room for so much more; ``on_given_up`` when what was kept had to go. What
    waits is on ``owner``'s account in ``waiting``.
    """

    __slots__ = (
        "_accepted",
        "_credit_bytes",
        "_failure",
        "_grant",
        "_last",
        "_loop",
        "_on_given_up",
        "_outlet",
        "_payloads",
        "_size_bytes",
        "_taken",
        "_unreported_bytes",
        "_waiter",
        "_waiting",
        "_window_bytes",
        "owner",
    )

    def __init__(
        self, window_bytes: int, grant: Callable[[int], None], waiting: WaitingBytes, owner: str, on_given_up: Callable[[], None]
    ) -> None:
        self.owner = owner
        self._waiting = waiting
        self._on_given_up = on_given_up
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
        self._waiting.kept(self, size)
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

    def give_up(self) -> None:
        """All that is kept goes, to make room for other streams, and nothing more will come."""
        self._payloads, self._size_bytes, self._last = [], 0, None
        self._failure = ClientTooSlow(
            "Too much was waiting for clients that read slowly, and most of it for this one. Please read faster, or retry later."
        )
        self._on_given_up()
        self._wake()

    def drop(self) -> None:
        """Nobody will read any more. Idempotent."""
        self._waiting.released(self)
        self._payloads, self._size_bytes = [], 0

    def flow(self, outlet: Outlet) -> None:
        """Offer what comes from now on to ``outlet`` before it is kept. Its reader has taken something already."""
        self._outlet = outlet

    async def take(self) -> Frame:
        """What has come since the last call, or the first ``FRAME_BYTES`` of it, waiting for something to come.

        Raises what the stream has failed with.
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
        if size > FRAME_BYTES:
            payloads, self._payloads, size = _split(payloads)
        else:
            self._payloads = []
        self._size_bytes -= size
        self._waiting.released(self, size)
        if last is not None and not self._payloads:
            return Frame(payloads=payloads, usage=last.usage, timing=last.timing, fault=last.fault)
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


def _split(payloads: list[bytes]) -> tuple[list[bytes], list[bytes], int]:
    """The payloads that make a frame, those that stay, and the size of the first ones."""
    size = count = 0
    while count < len(payloads) and size < FRAME_BYTES:
        size += len(payloads[count])
        count += 1
    return payloads[:count], payloads[count:], size
